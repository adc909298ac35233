import { readFile } from 'node:fs/promises'
import { Decrypter } from 'age-encryption'
import { Command } from 'commander'
import type { ImportLedgerResponse } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { type Bundle, BundleError, type BundleManifest } from '../../../services/audit/log/bundle/bundle.ts'
import { checkedItems } from '../../../services/audit/log/bundle/checked-items.ts'
import { openBundle } from '../../../services/audit/log/bundle/open-bundle.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import type { Outcome } from '../../exit-codes.ts'
import { parseClinic } from '../../input/parsers.ts'
import { createProgress } from '../../output/progress.ts'
import type { Act } from '../../program.ts'
import { optional } from '../../request.ts'
import type { Session } from '../../session.ts'

interface LedgerOptions {
  readonly identity?: string
  readonly clinic?: string
  readonly progress?: true
}

const unusable = (message: string, cause?: unknown): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', { message, ...(cause === undefined ? {} : { cause }) })

/** Opens the encrypted keys; lines of the file that begin with # are for people, as `age-keygen` writes them. */
const identityIn = async (file: string): Promise<Decrypter> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw unusable(`The identity file ${file} cannot be read.`, cause)
  }
  const decrypter = new Decrypter()
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'))
  try {
    for (const line of lines) decrypter.addIdentity(line)
  } catch {
    // What the library says could repeat the line.
    throw unusable(`The identity file ${file} holds a line that is no age identity.`)
  }
  if (lines.length === 0) throw unusable(`The identity file ${file} holds no age identity.`)
  return decrypter
}

/** The keys in clear, in pieces; they are sent on and kept nowhere. */
async function* opened(decrypter: Decrypter, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    const plain = await decrypter.decrypt(ReadableStream.from(pieces) as ReadableStream<Uint8Array>)
    for await (const piece of plain as AsyncIterable<Uint8Array>) yield piece
  } catch (cause) {
    throw unusable('The identity does not open the keys in this file, or they were changed.', cause)
  }
}

interface Work {
  readonly session: Session
  readonly file: string
  readonly options: LedgerOptions
  readonly decrypter: Decrypter | undefined
}

const withBundle = async <Result>(file: string, use: (bundle: Bundle) => Promise<Result>): Promise<Result> => {
  try {
    const bundle = await openBundle(file)
    try {
      return await use(bundle)
    } finally {
      await bundle.close()
    }
  } catch (thrown) {
    throw thrown instanceof BundleError ? unusable(`${file} is not taken: ${thrown.problem}.`, thrown) : thrown
  }
}

const progressOf = ({ session, options }: Work, title: string, { size }: BundleManifest) =>
  createProgress({ io: session.io, title, total: Number(size), afterMs: 1000, always: options.progress ?? false })

/** Reads the whole file before anything is sent: what is taken in cannot be taken back. Answers whether keys are in it. */
const checkFile = (work: Work): Promise<{ readonly manifest: BundleManifest; readonly keys: boolean }> =>
  withBundle(work.file, async (bundle) => {
    const { manifest } = bundle
    const { clinic } = work.options
    if (!manifest.whole) throw unusable(`${work.file} holds a selection; only an export of a whole ledger can be imported.`)
    if (clinic !== undefined && clinic !== manifest.clinic)
      throw unusable(`${work.file} holds the ledger of ${manifest.clinic}, not of ${clinic}.`)
    const progress = progressOf(work, 'Checked', manifest)
    const items = checkedItems(bundle)
    try {
      let keys = false
      for (let next = await items.next(); next.done !== true; next = await items.next()) {
        if (next.value.kind === 'entry') progress.advance(1)
        if (next.value.kind !== 'keys') continue
        keys = true
        if (work.decrypter === undefined) continue
        const first = next.value.bytes
        const pieces = async function* (): AsyncGenerator<Uint8Array> {
          yield first
          for await (const item of items) if (item.kind === 'keys') yield item.bytes
        }
        for await (const _ of opened(work.decrypter, pieces()));
      }
      return { manifest, keys }
    } finally {
      progress.stop()
    }
  })

type Sent = { readonly item: { readonly case: 'canonical' | 'keys'; readonly value: Uint8Array } }

/** The file again, as the service takes it. */
async function* partsOf({ manifest, items }: Bundle, decrypter: Decrypter | undefined) {
  yield {
    item: {
      case: 'head' as const,
      value: {
        clinic: manifest.clinic,
        size: BigInt(manifest.size),
        rootHash: Buffer.from(manifest.root, 'base64'),
        origin: manifest.origin,
      },
    },
  }
  const iterator = items()[Symbol.asyncIterator]()
  let next = await iterator.next()
  for (; next.done !== true && next.value.kind !== 'keys'; next = await iterator.next()) {
    if (next.value.kind === 'entry') yield { item: { case: 'canonical', value: next.value.entry.bytes } } satisfies Sent
  }
  if (next.done === true || next.value.kind !== 'keys' || decrypter === undefined) return
  const first = next.value.bytes
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    yield first
    for (let item = await iterator.next(); item.done !== true; item = await iterator.next()) {
      if (item.value.kind === 'keys') yield item.value.bytes
    }
  }
  for await (const value of opened(decrypter, pieces())) {
    yield { item: { case: 'keys', value } } satisfies Sent
  }
}

const send = (work: Work) =>
  withBundle(work.file, async (bundle) => {
    const { manifest } = bundle
    const { audit } = await work.session.connect({ clinics: [manifest.clinic], scopes: ['clinic.register'] })
    const progress = progressOf(work, 'Stored', manifest)
    let stored = 0n
    let result: Extract<ImportLedgerResponse['item'], { readonly case: 'result' }>['value'] | undefined
    try {
      for await (const { item } of audit.importLedger(partsOf(bundle, work.decrypter))) {
        if (item.case === 'stored') {
          progress.advance(Number(item.value - stored))
          stored = item.value
        } else if (item.case === 'result') result = item.value
      }
    } finally {
      progress.stop()
    }
    if (result === undefined) {
      throw new ChartwardenError('SERVICE_UNREACHABLE', {
        message: 'The import was cut; run the same command again: it goes on where it stopped.',
      })
    }
    return result
  })

const importLedger = async (session: Session, file: string, options: LedgerOptions): Promise<Outcome> => {
  const decrypter = options.identity === undefined ? undefined : await identityIn(options.identity)
  const work: Work = { session, file, options, decrypter }
  const { manifest, keys } = await checkFile(work)
  if (decrypter !== undefined && !keys) throw unusable(`${file} holds no keys; export it again with --keys-for.`)
  const { size, rootHash, served, entry, logOrigin } = await send(work)
  const { clinic } = manifest
  const root = Buffer.from(rootHash).toString('base64')
  if (session.json) {
    const named = optional('logOrigin', logOrigin || undefined)
    const recorded = optional('entry', entry && { id: entry.id, revision: String(entry.revision) })
    await session.print(`${JSON.stringify({ clinic, size: String(size), root, served, ...named, ...recorded })}\n`)
    return 'ok'
  }
  await session.print(`The ledger of ${clinic} is here: ${size} entries with the root ${root}, as in the file.\n`)
  await session.note(
    served
      ? `The clinic is served here from now on. Where it came from it must not be served any more: two ledgers would go on from the same beginning.`
      : keys
        ? 'Evidence only: its keys were not opened, since no --identity was given, so the clinic is not served here. Run the same command with --identity to bring its keys.'
        : 'Evidence only: no keys came with it, so the clinic is not served here.',
  )
  if (served && logOrigin === manifest.origin) {
    await session.note(
      `Warning: its log here has the same name as the one it came from (${logOrigin}), under another key. Whoever verifies it needs both keys, and a witness of the old log refuses this one: give every installation a CHARTWARDEN_LOG_ORIGIN of its own before it takes a clinic in.`,
    )
  }
  return 'ok'
}

export const ledgerCommand = (act: Act): Command =>
  new Command('ledger')
    .description(
      'Restore a whole ledger from an export, entry by entry as it was. The file is checked before anything is sent; an import that was interrupted goes on when it is repeated. With the keys the clinic is served here as it was there; without them it is evidence only.',
    )
    .argument('<file>', 'an export of a whole ledger')
    .option('--identity <file>', 'the age identity that the keys in the export are encrypted to')
    .option('--clinic <id>', 'refuse the file unless it is of this clinic', parseClinic)
    .option('--progress', 'say on stderr how far it is, even where that is no terminal')
    .action(act((session, command) => importLedger(session, command.processedArgs[0] as string, command.opts<LedgerOptions>())))
