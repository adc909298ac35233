/** Entries as rows, and the statements that read one clinic's, for whichever login reads them. */
import type { QueryResultRow } from 'pg'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { errorCode } from '../../../kernel/postgres/error-code.ts'
import type { StoredEntry } from '../../ledger.ts'

export interface EntryRow extends QueryResultRow {
  readonly position: string
  readonly revision: string
  readonly recorded_at: string
  readonly id: string
  readonly clinic: string
  readonly type: string
  readonly state_changing: boolean
  readonly request_digest: Buffer
  readonly bytes: Buffer
}

const columns = 'position, revision, recorded_at, id, clinic, type, state_changing, request_digest, bytes'
export const entries = `select ${columns} from chartwarden_ledger.entries`
/** Raised by the append function when the log ends before a position already seen. */
const regressed = 'CW001'

/** $1 clinic, $2 first and $3 last revision, $4 at most. */
export const readStatement = `${entries} where clinic = $1 and revision >= $2 and revision <= $3 order by revision limit $4`

/** $1 clinic, $2 first and $3 last revision, $4 what must stand in the bytes, all of it. */
export const holdingStatement = `${entries} where clinic = $1 and revision >= $2 and revision <= $3
  and not exists (select from unnest($4::bytea[]) as wanted where position(wanted in bytes) = 0) order by revision`

/** $1 clinic, $2 ids. */
export const findStatement = `${entries} where clinic = $1 and id = any ($2::uuid[])`

export const storedEntry = (row: EntryRow): StoredEntry => ({
  id: row.id,
  type: row.type,
  stateChanging: row.state_changing,
  requestDigest: row.request_digest,
  bytes: row.bytes,
  clinic: row.clinic,
  revision: BigInt(row.revision),
  recordedAt: Number(row.recorded_at),
})

/** A fault of the database, as the caller sees it. */
export const unavailable = (cause: unknown): ChartwardenError =>
  new ChartwardenError(errorCode(cause) === regressed ? 'LEDGER_REGRESSED' : 'LEDGER_UNAVAILABLE', { cause })

/** What is missing is evidence, never noise: revisions and positions are gapless by construction. */
export const gap = (what: string, expected: bigint, found: bigint | undefined): ChartwardenError =>
  new ChartwardenError('INTERNAL', { cause: new Error(`${what} ${expected} is missing: found ${found ?? 'nothing'} in its place`) })

/** Entries `from` to `to` in pages, none missing; ends where a page is short. `fetch` reads one page from a revision on. */
export async function* pagesOf(
  from: bigint,
  to: bigint,
  pageEntries: number,
  fetch: (from: bigint) => Promise<readonly EntryRow[]>,
): AsyncGenerator<StoredEntry> {
  let next = from < 0n ? 0n : from
  while (next <= to) {
    const page = await fetch(next)
    for (const row of page) {
      const entry = storedEntry(row)
      if (entry.revision !== next) throw gap('revision', next, entry.revision)
      yield entry
      next += 1n
    }
    if (page.length < pageEntries) return
  }
}
