import { Command } from 'commander'
import { type Entry, SealState } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { listClinics } from '../clinics.ts'
import { type ClinicOptions, clinicOption, withClinic } from '../input/common-options.ts'
import { parseRevision } from '../input/parsers.ts'
import { write } from '../io.ts'
import { count, timeText } from '../output/describe.ts'
import { tellIncomplete } from '../output/incomplete.ts'
import { createProgress } from '../output/progress.ts'
import type { Act } from '../program.ts'
import { clinicFields, needsOf, optional } from '../request.ts'
import { checkpointCommand } from './ledger/checkpoint.ts'
import { keysCommand } from './ledger/keys.ts'
import { proofCommand } from './ledger/proof.ts'
import { receiptCommand } from './ledger/receipt.ts'

interface ReadOptions extends ClinicOptions {
  readonly from?: bigint
  readonly until?: bigint
  readonly follow?: true
  readonly unseal?: true
}

const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')

/** One line. `canonical` is the exact text that is hashed; it is UTF-8, so as a JSON string it loses nothing. */
const entryLine = (entry: Entry): string =>
  `${JSON.stringify({
    revision: String(entry.revision),
    id: entry.id,
    time: timeText(entry.time),
    type: entry.type,
    canonical: utf8(entry.canonical),
    leaf_hash: Buffer.from(entry.leafHash).toString('base64'),
    private_state: (SealState[entry.privateState] ?? String(entry.privateState)).toLowerCase(),
    private: entry.private.length === 0 ? null : JSON.parse(utf8(entry.private)),
  })}\n`

const headCommand = (act: Act): Command =>
  new Command('head')
    .description("The last revision of a clinic's ledger.")
    .addOption(clinicOption())
    .action(
      act(async (session, command) => {
        const { clinic: id } = command.opts<{ readonly clinic: string }>()
        const { clinics } = await session.connect({ clinics: [id], scopes: ['staff.read'] })
        for await (const clinic of listClinics(clinics)) {
          if (clinic.clinic !== id) continue
          const head = String(clinic.headRevision)
          await session.print(session.json ? `${JSON.stringify({ clinic: id, head_revision: head })}\n` : `${head}\n`)
          return 'ok'
        }
        throw new ChartwardenError('CLINIC_NOT_ALLOWED')
      }),
    )

const readCommand = (act: Act): Command =>
  withClinic(
    new Command('read').description('The entries themselves, one JSON object a line, in order of revision. Reading is itself recorded.'),
  )
    .option('--from <revision>', 'first revision (default: 0)', parseRevision)
    .option('--until <revision>', 'last revision (default: the head when the reading began)', parseRevision)
    .option('--follow', 'stay and print what comes')
    .option('--unseal', "open the sealed parts (with a development token; a token of one's own needs audit.unseal)")
    .action(
      act(async (session, command) => {
        const options = command.opts<ReadOptions>()
        const { audit, stream } = await session.connect(
          needsOf(options, 'audit.read', ...(options.unseal ? (['audit.unseal'] as const) : [])),
        )
        const progress = createProgress({ io: session.io, title: 'Entries', afterMs: 1000, printsRows: true })
        const request = {
          ...clinicFields(options),
          follow: options.follow ?? false,
          ...optional('fromRevision', options.from),
          ...optional('untilRevision', options.until),
        }
        // One that follows is silent for as long as nothing happens.
        const messages = options.follow ? audit.readEntries(request) : stream((signal) => audit.readEntries(request, { signal }))
        let entries = 0
        let ended = false
        try {
          for await (const { item } of messages) {
            if (item.case === 'entry') {
              await write(session.io.out, entryLine(item.value))
              entries += 1
              progress.advance(1)
            } else if (item.case === 'end') ended = true
          }
        } finally {
          progress.stop()
        }
        if (ended) return 'ok'
        return tellIncomplete(session, `The reading was cut after ${count(entries, 'entry', 'entries')}; read on with --from.`)
      }),
    )

export const ledgerCommand = (act: Act): Command =>
  new Command('ledger')
    .description("A clinic's ledger as it is, and what proves that it stays so.")
    .addCommand(headCommand(act))
    .addCommand(readCommand(act))
    .addCommand(checkpointCommand(act))
    .addCommand(receiptCommand(act))
    .addCommand(proofCommand(act))
    .addCommand(keysCommand(act))
