import { Command, Option } from 'commander'
import { ProveConsistencyResponseSchema, ProveInclusionResponseSchema } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { invalidField } from '../../../services/kernel/errors.ts'
import type { Connection } from '../../connection.ts'
import { clinicOption } from '../../input/common-options.ts'
import { type EntryOptions, entryKey, withEntry } from '../../input/entry-options.ts'
import { parseRevision } from '../../input/parsers.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { optional } from '../../request.ts'
import type { Session } from '../../session.ts'

interface ProofOptions extends EntryOptions {
  readonly clinic: string
  readonly from?: bigint
  readonly size?: bigint
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** One fact a line, then the hashes of the proof, one a line. */
const proofText = (facts: Readonly<Record<string, bigint | Uint8Array>>, hashes: readonly Uint8Array[]): string =>
  [
    ...Object.entries(facts).map(([name, value]) => `${name} ${typeof value === 'bigint' ? value : base64(value)}`),
    ...hashes.map(base64),
    '',
  ].join('\n')

const printInclusion = async (session: Session, audit: Connection['audit'], { clinic, size, ...entry }: ProofOptions): Promise<void> => {
  const answer = await audit.proveInclusion({ clinic, key: entryKey(entry) ?? { case: undefined }, ...optional('treeSize', size) })
  const { leafIndex, treeSize, leafHash, rootHash, hashes } = answer
  await session.print(
    session.json
      ? `${JSON.stringify(messageJson(ProveInclusionResponseSchema, answer))}\n`
      : proofText({ index: leafIndex, size: treeSize, leaf: leafHash, root: rootHash }, hashes),
  )
}

const printConsistency = async (
  session: Session,
  audit: Connection['audit'],
  { clinic, size }: ProofOptions,
  firstSize: bigint,
): Promise<void> => {
  const answer = await audit.proveConsistency({ clinic, firstSize, ...optional('secondSize', size) })
  const { secondSize, firstRootHash, secondRootHash, hashes } = answer
  await session.print(
    session.json
      ? `${JSON.stringify(messageJson(ProveConsistencyResponseSchema, answer))}\n`
      : proofText({ from: answer.firstSize, size: secondSize, 'from-root': firstRootHash, root: secondRootHash }, hashes),
  )
}

export const proofCommand = (act: Act): Command =>
  withEntry(
    new Command('proof')
      .description(
        'A bare proof (RFC 9162): that an entry is in the tree of a size, or, with --from, that one tree is the beginning of another. It carries no signature; a receipt does.',
      )
      .addOption(clinicOption()),
  )
    .addOption(
      new Option('--from <size>', 'prove that the tree of this size is the beginning of the other')
        .argParser(parseRevision)
        .conflicts(['entry', 'revision']),
    )
    .option('--size <size>', 'size of the tree (default: that of the newest checkpoint)', parseRevision)
    .action(
      act(async (session, command) => {
        const options = command.opts<ProofOptions>()
        const { clinic, from } = options
        if (from === undefined && entryKey(options) === undefined) throw invalidField('--entry', 'is required, or --revision, or --from')
        const { audit } = await session.connect({ clinics: [clinic], scopes: ['ledger.verify'] })
        if (from === undefined) await printInclusion(session, audit, options)
        else await printConsistency(session, audit, options, from)
        return 'ok'
      }),
    )
