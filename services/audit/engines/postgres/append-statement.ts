/** The call of `chartwarden_ledger.append` (migrations/0004-append.ts, 0005-append-alone.ts) and what it answers. */
import type { QueryConfig, QueryResultRow } from 'pg'
import { ChartwardenError } from '../../../kernel/errors.ts'
import type { Append, EngineOutcome, StoredEntry } from '../../ledger.ts'
import { bigintArray, booleanArray, integerArray, textArray, uuidArray } from './binary-parameters.ts'

const anyState = -2n
const neverStale = 2n ** 63n - 1n

const text = `select append, verdict, revision, state_revision, ledger_time, log_position, original_id, original_type, original_state_changing, original_digest,
  original_bytes, original_recorded_at
from chartwarden_ledger.append($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::int[], $6::uuid[], $7::bool[], $8::int[], $9::text[], $10::int[],
  $11::bytea, $12::bytea, $13::bigint)`

/** One row per append, in any order, and for a duplicate one more per entry, in the order of the entries. */
export interface AppendRow extends QueryResultRow {
  readonly append: number
  readonly verdict: number
  readonly revision: string
  readonly state_revision: string
  readonly ledger_time: string
  readonly log_position: string
  readonly original_id: string
  readonly original_type: string
  readonly original_state_changing: boolean
  readonly original_digest: Buffer
  readonly original_bytes: Buffer
  readonly original_recorded_at: string
}

/** Numbers names from 1 in the order in which they are first asked for. */
const createNumbering = () => {
  const numbers = new Map<string, number>()
  return {
    numberOf(name: string): number {
      const known = numbers.get(name)
      if (known !== undefined) return known
      numbers.set(name, numbers.size + 1)
      return numbers.size
    },
    names: (): readonly string[] => [...numbers.keys()],
  }
}

/** What the ledger's clock, in whole milliseconds, must not have reached. */
const notAfterOf = (append: Append): bigint => {
  if (append.notAfter === undefined) return neverStale
  return BigInt(Math.ceil(Math.min(Math.max(append.notAfter, 0), Number.MAX_SAFE_INTEGER)))
}

/** `seenPosition`: the ledger refuses (SQLSTATE CW001) if its log ends before. */
export const appendStatement = (appends: readonly Append[], seenPosition: bigint): QueryConfig => {
  const clinics = createNumbering()
  const types = createNumbering()
  const entries = appends.flatMap((append) => append.entries)
  const contents = entries.map((entry) => entry.bytes)
  let end = 0
  const values = [
    integerArray(appends.map((append) => clinics.numberOf(append.clinic))),
    bigintArray(appends.map((append) => (append.restsOn === 'any' ? anyState : append.restsOn))),
    bigintArray(appends.map(notAfterOf)),
    integerArray(appends.flatMap((append, index) => append.entries.map(() => index + 1))),
    uuidArray(entries.map((entry) => entry.id)),
    booleanArray(entries.map((entry) => entry.stateChanging)),
    integerArray(entries.map((entry) => types.numberOf(entry.type))),
    textArray(types.names()),
    integerArray([0, ...contents.map((bytes) => (end += bytes.length))]),
    Buffer.concat(entries.map((entry) => entry.requestDigest)),
    Buffer.concat(contents),
    seenPosition,
  ]
  return { name: 'chartwarden_append', text, values: [textArray(clinics.names()), ...values] }
}

const originalOf = (row: AppendRow, clinic: string): StoredEntry => ({
  id: row.original_id,
  type: row.original_type,
  stateChanging: row.original_state_changing,
  requestDigest: row.original_digest,
  bytes: row.original_bytes,
  clinic,
  revision: BigInt(row.revision),
  recordedAt: Number(row.original_recorded_at),
})

const outcomeOf = (append: Append, row: AppendRow, originals: readonly AppendRow[]): EngineOutcome => {
  const ledgerTime = Number(row.ledger_time)
  switch (row.verdict) {
    case 1: {
      const first = BigInt(row.revision)
      return {
        kind: 'stored',
        revisions: append.entries.map((_, index) => first + BigInt(index)),
        stateRevision: BigInt(row.state_revision),
        ledgerTime,
      }
    }
    case 2:
      return {
        kind: 'duplicate',
        originals: originals.map((original) => originalOf(original, append.clinic)),
        stateRevision: BigInt(row.state_revision),
        ledgerTime,
      }
    case 3:
      return { kind: 'mismatch', ledgerTime }
    case 4:
      return { kind: 'moved', stateRevision: BigInt(row.state_revision), ledgerTime }
    case 5:
      return { kind: 'stale', ledgerTime }
    case 6:
      return { kind: 'again' }
    default:
      throw new ChartwardenError('INTERNAL', { cause: new Error(`the append function answered verdict ${row.verdict}`) })
  }
}

const originalRow = 7

/** The outcomes in the order of the appends. */
export const appendOutcomes = (appends: readonly Append[], rows: readonly AppendRow[]): readonly EngineOutcome[] => {
  const verdicts: AppendRow[] = []
  const originals = new Map<number, AppendRow[]>()
  for (const row of rows) {
    if (row.verdict !== originalRow) verdicts[row.append - 1] = row
    else originals.set(row.append, [...(originals.get(row.append) ?? []), row])
  }
  return appends.map((append, index) => {
    const row = verdicts[index]
    if (!row)
      throw new ChartwardenError('INTERNAL', {
        cause: new Error(`the append function answered nothing for append ${index + 1} of ${appends.length}`),
      })
    return outcomeOf(append, row, originals.get(index + 1) ?? [])
  })
}
