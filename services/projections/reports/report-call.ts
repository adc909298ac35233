import type { ClinicVault } from '../../audit/vault.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { ProjectionTransaction } from '../database.ts'
import { countParked } from './parked-entries.ts'
import type { People } from './people.ts'
import { type ReportReader, readProgress } from './report-reader.ts'

/** What every report is given about the call it answers. */
export interface ReportCall {
  readonly clinic: string
  /** Names of the projections whose tables the report reads: it is complete to the least of them. */
  readonly projections: readonly string[]
  readonly vault: ClinicVault
  readonly reader: ReportReader
  readonly people: People
  /** Whether free text is shown (scope `audit.unseal`). */
  readonly unseal: boolean
  /** Reading of the monotonic clock, in milliseconds. */
  readonly deadline: number
}

/** Where a later page goes on: numbers and codes by name, as page tokens carry them. `through` is not among them. */
export type Cursor = Readonly<Record<string, string>>

/** Which page of a report. */
export interface PageRange {
  /** Entries of later revisions are left out, so that all pages of a report are of one ledger; undefined: as far as the read models have come. */
  readonly through: bigint | undefined
  /** What the page before answered as `next`; undefined: the first page. */
  readonly after: Cursor | undefined
  readonly limit: number
}

/** Rows, and whether there are more after them. */
export interface ReportPage<Row, Extra = undefined> {
  readonly rows: readonly Row[]
  /** Undefined at the end. */
  readonly next: Cursor | undefined
  readonly completeTo: bigint
  /** Entries up to there that the read models of the report could not take: rows may be missing. */
  readonly parked: bigint
  /** What the report tells besides its rows, the same on every page. */
  readonly extra: Extra
}

/** To which revision a page is complete: that of the first page, or where the read models are in this snapshot; and what it lacks up to there. */
export const extentOf = async (
  transaction: ProjectionTransaction,
  { clinic, projections }: ReportCall,
  range: PageRange,
): Promise<{ readonly through: bigint; readonly parked: bigint }> => {
  const through = range.through ?? (await readProgress(transaction, clinic, projections)) ?? -1n
  return { through, parked: await countParked(transaction, clinic, projections, through) }
}

/** A number of a cursor. Throws PAGE_TOKEN_INVALID for a cursor that lacks it. */
export const numberIn = (cursor: Cursor, name: string): bigint => {
  const value = cursor[name]
  if (value === undefined) throw new ChartwardenError('PAGE_TOKEN_INVALID')
  return BigInt(value)
}

/** An entry as a report names it. */
export interface EntryReference {
  readonly id: string
  readonly revision: bigint
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly leafHash: Uint8Array
}

/** One more row than asked was read: it tells whether there is another page. */
export const cutPage = <Row>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (last: Row) => Cursor,
): { readonly rows: readonly Row[]; readonly next: Cursor | undefined } => {
  if (rows.length <= limit) return { rows, next: undefined }
  const shown = rows.slice(0, limit)
  return { rows: shown, next: cursorOf(shown[limit - 1] as Row) }
}
