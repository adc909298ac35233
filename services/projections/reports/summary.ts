/**
 * Accesses counted by any combination of dimensions. Counted from the rows themselves: different patients cannot be added up from counts
 * kept by day, and any zone's days may be asked for. What that costs stands in docs/explanation/reports.md.
 */
import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely'
import { timeZoneForPostgres } from '../../kernel/time-zone.ts'
import { microseconds, type ProjectionDatabase, type ProjectionTransaction } from '../database.ts'
import type { AccessKind } from '../read-models/access-history.ts'
import type { NamedSubject } from '../reading.ts'
import { type AccessFilter, accessesOf } from './access-history.ts'
import { allowCountingMemory } from './counting-memory.ts'
import { type Cursor, cutPage, extentOf, numberIn, type PageRange, type ReportCall, type ReportPage } from './report-call.ts'

export const summaryDimensions = ['day', 'subject', 'resource_type', 'purpose', 'kind'] as const
export type SummaryDimension = (typeof summaryDimensions)[number]

export interface SummaryQuery {
  readonly filter: AccessFilter
  /** Each at most once; rows stand in this order. */
  readonly dimensions: readonly SummaryDimension[]
  /** IANA name; undefined: the clinic's. */
  readonly timeZone: string | undefined
}

/** Members that are no dimension of the query are undefined. */
export interface SummaryRow {
  /** YYYY-MM-DD. */
  readonly day: string | undefined
  readonly subject: NamedSubject | undefined
  readonly resourceType: string | undefined
  readonly purpose: string | undefined
  readonly kind: AccessKind | undefined
  readonly accesses: bigint
  readonly patients: bigint
  /** Microseconds since the epoch. */
  readonly first: bigint
  readonly last: bigint
}

export interface SummaryExtra {
  readonly totalAccesses: bigint
  readonly timeZone: string
}

/** The columns that a dimension groups by, compared byte by byte so that the order is the same on every server. */
type KeyColumn = 'day' | 'subject_type' | 'subject' | 'resource_type' | 'purpose' | 'kind'

const columnsOf: Readonly<Record<SummaryDimension, readonly KeyColumn[]>> = {
  day: ['day'],
  subject: ['subject_type', 'subject'],
  resource_type: ['resource_type'],
  purpose: ['purpose'],
  kind: ['kind'],
}

const expressionOf = (column: KeyColumn, timeZone: string): RawBuilder<unknown> =>
  column === 'day' ? sql`(occurred_at at time zone ${timeZone})::date` : sql`${sql.ref(column)} collate "C"`

interface StoredRow extends Partial<Readonly<Record<KeyColumn, string>>> {
  readonly accesses: string
  readonly patients: string
  readonly first: string
  readonly last: string
  readonly total: string
}

/**
 * One row for each patient within a combination, then one for each combination: two sums by hashing, where counting different patients
 * within one sum would sort every access.
 */
const summaryRowsQuery = (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  { filter, dimensions, timeZone }: SummaryQuery & { readonly timeZone: string },
  { through, after, limit }: { readonly through: bigint; readonly after: Cursor | undefined; readonly limit: number },
): RawBuilder<StoredRow> => {
  const columns = dimensions.flatMap((dimension) => columnsOf[dimension])
  const keys = columns.map((column) => sql`${expressionOf(column, timeZone)} as ${sql.ref(column)}`)
  const names = columns.map((column) => sql.ref(column))
  const listed = (parts: readonly RawBuilder<unknown>[], otherwise = sql``) => (parts.length === 0 ? otherwise : sql.join(parts))
  let accesses = accessesOf(db, clinic, filter, through)
  if (after !== undefined && columns.length > 0) {
    const key = sql.join(columns.map((column) => expressionOf(column, timeZone)))
    const last = sql.join(columns.map((column) => (column === 'day' ? sql`${after[column]}::date` : sql`${after[column]}::text`)))
    accesses = accesses.where(sql<SqlBool>`(${key}) > (${last})`)
    // Days in order: nothing of an earlier day is read again. A day of margin, since a zone may skip the midnight asked for.
    if (columns[0] === 'day') {
      accesses = accesses.where(sql<SqlBool>`occurred_at >= (${after.day}::date - 1)::timestamp at time zone ${timeZone}`)
    }
  }
  const counted = accesses
    .select(({ fn }) => ['patient', fn.countAll().as('accesses'), fn.min('occurred_at').as('first'), fn.max('occurred_at').as('last')])
    .select(keys.length === 0 ? [] : columns.map((column) => expressionOf(column, timeZone).as(column)))
    .groupBy([sql.ref('patient'), ...columns.map((column) => (column === 'day' ? sql.ref('day') : expressionOf(column, timeZone)))])
  return sql<StoredRow>`
    with combinations as (
      select ${listed([...names, sql`sum(accesses)::bigint as accesses`, sql`count(patient) as patients`, sql`min(first) as first`, sql`max(last) as last`])}
      from ${counted} counted
      ${names.length === 0 ? sql`having count(*) > 0` : sql`group by ${sql.join(names)}`}
    )
    select ${listed([
      ...columns.map((column) => (column === 'day' ? sql`day::text as day` : sql.ref(column))),
      sql`accesses`,
      sql`patients`,
      sql`${microseconds('first')} as first`,
      sql`${microseconds('last')} as last`,
      sql`(sum(accesses) over ())::bigint as total`,
    ])}
    from combinations
    ${names.length === 0 ? sql`` : sql`order by ${sql.join(columns.map((column) => sql`combinations.${sql.ref(column)}`))}`}
    limit ${limit}`
}

const zoneOf = async (transaction: ProjectionTransaction, clinic: string): Promise<string> => {
  const row = await transaction.selectFrom('clinics').select('time_zone').where('clinic', '=', clinic).executeTakeFirst()
  return timeZoneForPostgres(row?.time_zone ?? 'UTC')
}

export const summary = async (call: ReportCall, query: SummaryQuery, range: PageRange): Promise<ReportPage<SummaryRow, SummaryExtra>> => {
  const { clinic, vault, reader, people, deadline } = call
  const { dimensions } = query
  const columns = dimensions.flatMap((dimension) => columnsOf[dimension])
  const { page, found, extra, completeTo, parked } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    const timeZone = query.timeZone ?? (await zoneOf(transaction, clinic))
    await allowCountingMemory(transaction)
    const { rows } = await summaryRowsQuery(
      transaction,
      clinic,
      { ...query, timeZone },
      { through, after: range.after, limit: range.limit + 1 },
    ).execute(transaction)
    const totalAccesses = range.after === undefined ? BigInt(rows[0]?.total ?? 0) : numberIn(range.after, 'total')
    const page = cutPage(rows, range.limit, (last) => ({
      ...Object.fromEntries(columns.map((column) => [column, last[column] ?? ''])),
      total: String(totalAccesses),
    }))
    const found = await people.find(
      transaction,
      clinic,
      page.rows.map((row) => row.subject ?? null),
    )
    return { page, found, extra: { totalAccesses, timeZone }, completeTo: through, parked }
  })
  const names = await people.open(clinic, vault, found)
  const rows = page.rows.map(
    (row): SummaryRow => ({
      day: row.day,
      subject: row.subject === undefined ? undefined : names.subject(row.subject_type ?? '', row.subject),
      resourceType: row.resource_type,
      purpose: row.purpose,
      kind: row.kind as AccessKind | undefined,
      accesses: BigInt(row.accesses),
      patients: BigInt(row.patients),
      first: BigInt(row.first),
      last: BigInt(row.last),
    }),
  )
  return { rows, next: page.next, completeTo, parked, extra }
}
