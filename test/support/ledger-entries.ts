import { randomBytes, randomUUID } from 'node:crypto'
import type { Append, LedgerEngine, NewEntry, Position, StoredEntry } from '../../services/audit/ledger.ts'

/** A clinic nobody else of the test process uses. */
export const newClinic = (name = 'clinic'): string => `${name}-${randomUUID().slice(0, 8)}`

const entryOf = (type: string, stateChanging: boolean, given: Partial<NewEntry>): NewEntry => ({
  id: randomUUID(),
  type,
  stateChanging,
  requestDigest: randomBytes(32),
  bytes: randomBytes(40),
  ...given,
})

/** An entry that leaves the state as it is. */
export const decision = (given: Partial<NewEntry> = {}): NewEntry => entryOf('chartwarden.access.decided.v1', false, given)

/** An entry that changes the state. */
export const change = (given: Partial<NewEntry> = {}): NewEntry => entryOf('chartwarden.role.granted.v1', true, given)

export const appendOf = (clinic: string, restsOn: Append['restsOn'], entries: readonly NewEntry[], more: Partial<Append> = {}): Append => ({
  clinic,
  restsOn,
  entries,
  ...more,
})

/** A new clinic's ledger with one state-changing entry, so that its state revision is 0. */
export const openClinic = async (engine: LedgerEngine, clinic = newClinic()): Promise<string> => {
  await engine.appendBatch([appendOf(clinic, -1n, [change()])])
  return clinic
}

/** What a reader sees of an entry, comparable. */
export const plain = (entry: StoredEntry) => ({
  ...entry,
  requestDigest: Buffer.from(entry.requestDigest).toString('hex'),
  bytes: Buffer.from(entry.bytes).toString('hex'),
})

export const collect = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const collected: Item[] = []
  for await (const item of items) collected.push(item)
  return collected
}

export const wholeLedger = (engine: LedgerEngine, clinic: string): Promise<StoredEntry[]> => collect(engine.read(clinic, 0n, 2n ** 62n))

/** The entries of the feed after a position, until `enough` says so of what has come. */
export const readFeed = async (
  engine: LedgerEngine,
  from: Position | undefined,
  enough: (entries: readonly StoredEntry[]) => boolean,
): Promise<{ readonly entries: readonly StoredEntry[]; readonly position: Position | undefined }> => {
  const entries: StoredEntry[] = []
  let position = from
  const stop = new AbortController()
  for await (const batch of engine.subscribe(from, AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]))) {
    entries.push(...batch.entries)
    position = batch.position
    if (enough(entries)) stop.abort()
  }
  if (!stop.signal.aborted) throw new Error(`the feed ended after ${entries.length} entries without what was waited for`)
  return { entries, position }
}
