/** Accesses in the order they were recorded, for whoever follows them. */

import { microseconds, type ProjectionTransaction } from '../database.ts'
import { type AccessFilter, type AccessRow, accessesOf, showAccess } from './access-history.ts'
import { flagsWithConcerns } from './disputed.ts'
import { countParked } from './parked-entries.ts'
import type { ReportCall } from './report-call.ts'
import { readProgress } from './report-reader.ts'

/** Accesses from one revision on, the last revision before which none is missing, and how far the read models have come. */
export interface WatchedAccesses {
  readonly rows: readonly AccessRow[]
  readonly completeTo: bigint
  readonly reached: bigint
  /** Entries up to there that the read models could not take: accesses may be missing. */
  readonly parked: bigint
}

/** Rows at a time, and revisions looked through at a time: a filter that matches little must not hold one statement for the whole ledger. */
const mostRows = 500
const mostRevisions = 50_000n

const matching = (transaction: ProjectionTransaction, clinic: string, filter: AccessFilter, from: bigint, to: bigint) =>
  accessesOf(transaction, clinic, filter, to)
    .selectAll()
    .select(microseconds('occurred_at').as('occurred_us'))
    .select(flagsWithConcerns('access_history', to).as('flags'))
    .where('revision', '>=', String(from))
    .orderBy('revision')
    .limit(mostRows)

/** What the read models hold from `from` on, or its beginning; with nothing new, no row and `completeTo` before `from`. */
export const watchedAccesses = async (call: ReportCall, filter: AccessFilter, from: bigint): Promise<WatchedAccesses> => {
  const { clinic, vault, reader, people, deadline } = call
  const { rows, found, completeTo, reached, parked } = await reader.read(clinic, deadline, async (transaction) => {
    const reached = (await readProgress(transaction, clinic, call.projections)) ?? -1n
    const to = reached < from + mostRevisions ? reached : from + mostRevisions - 1n
    const rows = to < from ? [] : await matching(transaction, clinic, filter, from, to).execute()
    const found = await people.find(
      transaction,
      clinic,
      rows.flatMap((row) => [row.subject, row.patient]),
    )
    const last = rows.length < mostRows ? to : BigInt(rows[mostRows - 1]?.revision ?? to)
    return { rows, found, completeTo: last, reached, parked: await countParked(transaction, clinic, call.projections, last) }
  })
  const names = await people.open(clinic, vault, found)
  return { rows: await Promise.all(rows.map((row) => showAccess(row, call, names))), completeTo, reached, parked }
}
