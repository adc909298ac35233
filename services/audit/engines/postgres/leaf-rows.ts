/**
 * Leaf hashes, made by the server where the entries are: a page of entries costs this process a row a clinic instead of all their bytes, which
 * leaves its one thread to the decisions. A server that made them falsely could as well hand out false bytes; whoever verifies a ledger
 * hashes what it holds.
 */
import type { QueryResultRow } from 'pg'
import type { LeafRun } from '../../ledger.ts'
import { hashLength } from '../../log/tree-hash.ts'
import { gap } from './entry-rows.ts'

export interface LeafRow extends QueryResultRow {
  readonly clinic: string
  readonly first: string
  readonly last: string
  readonly last_position: string
  readonly recorded_at: string
  readonly hashes: Buffer
}

/** Rows of runs from entries `e`, whose leaf hash the expression is. */
export const leafRunsOf = (entries: string, leafHash: string): string => `
  select e.clinic, min(e.revision) as first, max(e.revision) as last, max(e.position) as last_position, min(e.recorded_at) as recorded_at,
    string_agg(${leafHash}, ''::bytea order by e.revision) as hashes
  from (${entries}) e group by e.clinic`

const hashedHere = `sha256('\\x00'::bytea || e.bytes)`

const columns = 'clinic, revision, position, recorded_at, bytes'

/** $1: position; $2: how many at most. */
export const leavesAfterStatement = leafRunsOf(
  `select ${columns} from chartwarden_ledger.entries where log_id = 1 and position > (select $1::bigint) order by position limit $2`,
  hashedHere,
)

/** $1: clinic; $2: revision; $3: how many at most. */
export const leavesOfStatement = leafRunsOf(
  `select ${columns} from chartwarden_ledger.entries where clinic = $1 and revision >= $2 order by revision limit $3`,
  hashedHere,
)

/** The runs of a page. Throws INTERNAL where a revision or a position after `last` is missing. */
export const leafRuns = (rows: readonly LeafRow[], last: bigint): { readonly runs: readonly LeafRun[]; readonly end: bigint } => {
  let entries = 0n
  let end = last
  const made = rows.map((row): LeafRun => {
    const first = BigInt(row.first)
    const count = BigInt(row.hashes.length / hashLength)
    if (BigInt(row.last) - first + 1n !== count) throw gap('revision', first + count, BigInt(row.last))
    entries += count
    if (BigInt(row.last_position) > end) end = BigInt(row.last_position)
    return { clinic: row.clinic, first, hashes: row.hashes, recordedAt: Number(row.recorded_at) }
  })
  if (end - last !== entries) throw gap('position', last + entries, end)
  return { runs: made, end }
}
