import type { ClinicVault } from '../../audit/vault.ts'
import type { People } from './people.ts'
import type { ReportReader } from './report-reader.ts'

/** What every report is given about the call it answers. */
export interface ReportCall {
  readonly clinic: string
  readonly vault: ClinicVault
  readonly reader: ReportReader
  readonly people: People
  /** Whether free text is shown (scope `audit.unseal`). */
  readonly unseal: boolean
  /** Reading of the monotonic clock, in milliseconds. */
  readonly deadline: number
}

/** Rows, and whether there are more after them. */
export interface ReportPage<Row, Cursor> {
  readonly rows: readonly Row[]
  /** Undefined at the end. */
  readonly next: Cursor | undefined
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
export const cutPage = <Row, Cursor>(rows: readonly Row[], limit: number, cursorOf: (last: Row) => Cursor): ReportPage<Row, Cursor> => {
  if (rows.length <= limit) return { rows, next: undefined }
  const shown = rows.slice(0, limit)
  return { rows: shown, next: cursorOf(shown[limit - 1] as Row) }
}
