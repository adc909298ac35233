/**
 * A ledger that was exported elsewhere, stored here entry by entry as it is. Nothing of it is served before all of it is here with the root
 * that was announced and the clinic's keys have been found to be its keys: those are stored last. Repeating an import goes on where it stopped.
 */
import type { ClinicLock } from '../audit/clinic-lock.ts'
import { composeEntry } from '../audit/compose-entry.ts'
import { entryId } from '../audit/entry.ts'
import { readImportedEntry } from '../audit/imported-entry.ts'
import { type Append, type AppendOutcome, type Ledger, type NewEntry, noState, type StoredEntry } from '../audit/ledger.ts'
import { createTreeHasher } from '../audit/log/tree-hasher.ts'
import type { KeyTransfer } from '../audit/vault/key-transfer.ts'
import type { Vault } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { canonicalJson } from '../kernel/canonical-json.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import { pause } from '../kernel/pause.ts'
import { provenanceOf } from './check.ts'
import type { ClinicWriters } from './clinic-writer.ts'
import { decodeEntry } from './event-codec.ts'
import { type LedgerImported, stateChanging } from './events.ts'
import { type ClinicState, emptyState, evolve } from './state.ts'

export interface AnnouncedLedger {
  readonly clinic: string
  /** Entries to come. */
  readonly size: bigint
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Of the log it was exported from. */
  readonly origin: string
}

export type ImportPart = { readonly kind: 'entry'; readonly bytes: Uint8Array } | { readonly kind: 'keys'; readonly bytes: Uint8Array }

export interface ImportedLedger {
  readonly size: bigint
  readonly root: Uint8Array
  /** The entry that says so; undefined where no keys came and the clinic is not served. */
  readonly entry: StoredEntry | undefined
}

export interface ImportLedgerOptions {
  readonly ledger: Ledger
  readonly vault: Vault
  /** Shared with registrations. */
  readonly lock: ClinicLock
  readonly keys: KeyTransfer
  readonly writers: ClinicWriters
  readonly randomness: Randomness
  /** Entries of one append. Defaults to 256. */
  readonly maxEntries?: number
  /** Bytes of one append. Defaults to 512 KiB. */
  readonly maxBytes?: number
}

/**
 * Yields the entries that are durable so far. Throws IMPORT_REFUSED, naming the revision, for what is not the ledger announced, LEDGER_EXISTS
 * where the clinic has another one.
 */
export type ImportLedger = (
  context: CallContext,
  announced: AnnouncedLedger,
  parts: AsyncIterator<ImportPart>,
) => AsyncGenerator<bigint, ImportedLedger, undefined>

const operation = 'import_ledger'
const registered = 'chartwarden.clinic.registered.v1'
const introduced = 'chartwarden.identity.introduced.v1'

const refused = (revision: bigint, why: string, cause?: unknown): ChartwardenError =>
  new ChartwardenError('IMPORT_REFUSED', {
    message: `Revision ${revision} is not as announced: ${why}. Nothing of this clinic is served.`,
    metadata: { revision: String(revision) },
    ...(cause === undefined ? {} : { cause }),
  })

const differs = (revision: bigint): ChartwardenError =>
  new ChartwardenError('LEDGER_EXISTS', {
    message: `This clinic has a ledger here already, and its revision ${revision} is not the one to import.`,
    metadata: { revision: String(revision) },
  })

/** The entry as it is to be appended. Folds it too: a state that cannot be folded could never be served. */
const checked = (bytes: Uint8Array, clinic: string, revision: bigint, state: ClinicState): NewEntry => {
  const read = readImportedEntry(bytes, clinic)
  if (read.kind === 'refused') throw refused(revision, read.problem)
  if ((revision === 0n) !== (read.entry.type === registered)) throw refused(revision, 'a ledger begins with the registration of its clinic')
  const stored: StoredEntry = { ...read.entry, stateChanging: false, clinic, revision, recordedAt: 0 }
  const event = decodeEntry(stored)
  if (event === undefined) throw refused(revision, 'its type is not known to this release')
  const changes = stateChanging[event.type]
  try {
    if (changes) evolve(state, event)
  } catch (cause) {
    throw refused(revision, 'its data does not belong to its type', cause)
  }
  return { ...read.entry, stateChanging: changes }
}

/** How far the clinic's ledger is here already, and what it says there. */
interface Beginning {
  readonly size: bigint
  readonly stateRevision: bigint
  readonly entries: AsyncIterator<StoredEntry>
}

export const createImportLedger = (options: ImportLedgerOptions): ImportLedger => {
  const { ledger, vault, lock, keys, writers, randomness, maxEntries = 256, maxBytes = 524_288 } = options

  const importId = ({ clinic, root }: AnnouncedLedger): string => entryId(clinic, operation, Buffer.from(root).toString('hex'), 0)

  /** What is here of it. Throws LEDGER_EXISTS where what is here can be no beginning of it. */
  const beginning = async (announced: AnnouncedLedger): Promise<Beginning> => {
    const { clinic, size } = announced
    const head = await ledger.head(clinic)
    const served = (await vault.clinic(clinic)) !== undefined
    const here = head === undefined ? 0n : head.revision + 1n
    const own = here > size ? (await ledger.find(clinic, [importId(announced)])).get(importId(announced)) : undefined
    if ((here > size && own?.revision !== size) || (served && here < size)) throw new ChartwardenError('LEDGER_EXISTS')
    return {
      size: here < size ? here : size,
      stateRevision: head?.stateRevision ?? noState,
      entries: ledger.read(clinic, 0n, size - 1n)[Symbol.asyncIterator](),
    }
  }

  /** The first entries of a ledger are appended only while the clinic has no keys: whoever registers it meanwhile makes none after that. */
  const begin = (context: CallContext, entries: Append): Promise<AppendOutcome> =>
    lock(entries.clinic, context, async () => {
      if ((await vault.clinic(entries.clinic)) !== undefined) throw new ChartwardenError('LEDGER_EXISTS')
      return ledger.append(entries)
    })

  const append = async (context: CallContext, clinic: string, entries: readonly NewEntry[], next: bigint, restsOn: bigint) => {
    for (;;) {
      if (context.signal.aborted) throw new ChartwardenError('CALL_CANCELLED')
      try {
        const wanted = { clinic, entries, restsOn }
        const outcome = next === 0n ? await begin(context, wanted) : await ledger.append(wanted)
        if (outcome.kind === 'stale') continue
        if (outcome.kind === 'mismatch' || outcome.kind === 'moved') throw differs(next)
        // A duplicate is another import of the same ledger, ahead of this one.
        const first = outcome.kind === 'stored' ? outcome.revisions[0] : outcome.originals[0]?.revision
        if (first !== next) throw differs(next)
        return outcome.stateRevision
      } catch (thrown) {
        if (!(thrown instanceof ChartwardenError && thrown.reason === 'OVERLOADED')) throw thrown
        await pause((thrown.retryAfterSeconds ?? 1) * 1_000, context.signal)
      }
    }
  }

  /** The first thing that the clinic records here. */
  const record = async (context: CallContext, announced: AnnouncedLedger): Promise<StoredEntry> => {
    const writer = await writers.open(announced.clinic)
    const data: LedgerImported = {
      actor: { rule: 'scope/clinic.register' },
      size: String(announced.size),
      root: Buffer.from(announced.root).toString('base64'),
      origin: announced.origin,
    }
    const { size, root, origin } = data
    const committed = await writer.commit(
      {
        decide: () => undefined,
        notAfter: () => undefined,
        entries: async (_, time) => [
          await composeEntry(writer.vault, randomness, {
            clinic: writer.clinic,
            id: importId(announced),
            type: 'chartwarden.ledger.imported.v1',
            stateChanging: false,
            time,
            provenance: provenanceOf(context),
            requestDigest: writer.vault.requestDigest(canonicalJson({ operation, size, root, origin })),
            data,
          }),
        ],
      },
      context.deadline,
    )
    if (committed.kind === 'mismatch') throw new ChartwardenError('LEDGER_EXISTS')
    return (committed.kind === 'stored' ? committed.entries[0] : committed.originals[0]) as StoredEntry
  }

  return async function* (context, announced, parts) {
    const { clinic, size, root } = announced
    const here = await beginning(announced)
    const hasher = createTreeHasher()
    const state = emptyState()
    let { stateRevision } = here
    let introductions = 0n
    let batch: NewEntry[] = []
    let bytes = 0
    const flush = async (): Promise<bigint> => {
      if (batch.length > 0) stateRevision = await append(context, clinic, batch, hasher.size - BigInt(batch.length), stateRevision)
      batch = []
      bytes = 0
      return hasher.size
    }
    let part = await parts.next()
    for (; part.done !== true && part.value.kind === 'entry'; part = await parts.next()) {
      const revision = hasher.size
      if (revision >= size) throw refused(revision, 'more entries came than were announced')
      const entry = checked(part.value.bytes, clinic, revision, state)
      hasher.append(entry.bytes)
      if (entry.type === introduced) introductions += 1n
      if (revision < here.size) {
        const known = await here.entries.next()
        if (known.done === true || Buffer.compare(known.value.bytes, entry.bytes) !== 0) throw differs(revision)
        continue
      }
      batch.push(entry)
      bytes += entry.bytes.length
      if (batch.length >= maxEntries || bytes >= maxBytes) yield await flush()
    }
    yield await flush()
    if (hasher.size < size) throw refused(hasher.size, 'the entries ended there; send the same ledger again to go on')
    if (!hasher.root().equals(root)) throw refused(size - 1n, 'the entries up to it have another root')
    if (part.done === true) return { size, root, entry: undefined }
    const first = part.value
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield first.bytes
      for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
        if (next.value.kind !== 'keys') throw refused(size, 'an entry came behind the keys')
        yield next.value.bytes
      }
    }
    await keys.importKeys(clinic, pieces(), introductions)
    return { size, root, entry: await record(context, announced) }
  }
}
