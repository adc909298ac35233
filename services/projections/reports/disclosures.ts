/**
 * What was disclosed outside the clinic, newest first by date of (last) disclosure, then by revision: the accounting of 45 CFR 164.528. It
 * leaves out what an accounting may leave out, and what law enforcement or health oversight has asked to keep out of it for now, unless
 * that is asked for.
 */
import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely'
import type { DisclosureCategory } from '../../access/events.ts'
import type { Pseudonym } from '../../audit/vault.ts'
import { instant, type ProjectionDatabase } from '../database.ts'
import type { NamedSubject } from '../reading.ts'
import { databaseTime } from './database-time.ts'
import type { Names } from './people.ts'
import { cutPage, type EntryReference, extentOf, numberIn, type PageRange, type ReportCall, type ReportPage } from './report-call.ts'
import { openSealedPart, textOf } from './sealed-parts.ts'

/** One disclosure, or a group of repeated ones. Times in milliseconds since the epoch. */
export interface DisclosureRow {
  /** The disclosure, or the first of the group. */
  readonly entry: EntryReference
  readonly patientId: string
  readonly disclosedAt: number
  /** These four are empty unless the caller may unseal, and `erased:` once the patient's key is destroyed. */
  readonly recipientName: string
  readonly recipientAddress: string
  readonly description: string
  readonly purpose: string
  readonly category: DisclosureCategory
  readonly disclosures: bigint
  readonly lastDisclosedAt: number
  readonly recordedBy: NamedSubject
  /** Kept out of the patient's accounting until then; once that is over, undefined unless the query includes suspended ones: the patient must not learn that an agency asked for silence. */
  readonly suspendedUntil: number | undefined
}

/** Times in microseconds since the epoch. */
export interface DisclosuresQuery {
  readonly patient?: Pseudonym
  /** Absent: six years before `until`. */
  readonly from?: bigint
  /** Exclusive; absent: the moment the report is asked for. */
  readonly until?: bigint
  readonly includeExcluded: boolean
  readonly includeSuspended: boolean
  readonly groupRepeats: boolean
  /** The moment the report is asked for. Defaults to the database's clock. */
  readonly now?: bigint
}

/** The same moment six years earlier, UTC; 28 February where that year has no 29th. 45 CFR 164.528(a)(1). */
export const sixYearsBefore = (microseconds: bigint): bigint => {
  const rest = ((microseconds % 1_000n) + 1_000n) % 1_000n
  const date = new Date(Number((microseconds - rest) / 1_000n))
  const month = date.getUTCMonth()
  date.setUTCFullYear(date.getUTCFullYear() - 6)
  if (date.getUTCMonth() !== month) date.setUTCDate(0)
  return BigInt(date.getTime()) * 1_000n + rest
}

/** What is counted, settled: `now`, and both ends of the period. */
interface Counted extends Omit<DisclosuresQuery, 'now' | 'from' | 'until'> {
  readonly now: bigint
  readonly from: bigint
  readonly until: bigint
  readonly through: bigint
}

interface Place {
  readonly at: bigint
  readonly revision: bigint
}

/** Whether the row of this alias is among what the query counts. */
const isCounted = (alias: 'd' | 's', clinic: string, query: Counted): RawBuilder<SqlBool> => {
  const column = (name: string) => sql.ref(`${alias}.${name}`)
  const conditions = [
    sql`${column('clinic')} = ${clinic}`,
    sql`${column('revision')} <= ${String(query.through)}::bigint`,
    sql`${column('disclosed_at')} >= ${instant(query.from)}`,
    sql`${column('disclosed_at')} < ${instant(query.until)}`,
    ...(query.patient === undefined ? [] : [sql`${column('patient')} = ${query.patient}`]),
    ...(query.includeExcluded ? [] : [sql`${column('category')} = 'accountable'`]),
    ...(query.includeSuspended
      ? []
      : [sql`(${column('suspended_until')} is null or ${column('suspended_until')} <= ${instant(query.now)})`]),
  ]
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

/** Nothing that a row shows differs within a group: a category, or a suspension still in force, makes another. */
const sameGroup = ({ now }: Counted): RawBuilder<SqlBool> => {
  const suspension = (alias: string) =>
    sql`case when ${sql.ref(`${alias}.suspended_until`)} > ${instant(now)} then ${sql.ref(`${alias}.suspended_until`)} end`
  return sql<SqlBool>`(s.patient = d.patient and s.series = d.series and s.category = d.category
    and ${suspension('s')} is not distinct from ${suspension('d')})`
}

/**
 * A group stands where its last disclosure stands, so that a page of groups is a range of the same index as a page of single disclosures and
 * costs as much as what it shows, however long the ledger is.
 */
export const disclosureRowsQuery = (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  query: Counted,
  { after, limit }: { readonly after: Place | undefined; readonly limit: number },
) => {
  const group = sql<SqlBool>`(${isCounted('s', clinic, query)} and ${sameGroup(query)})`
  const isLast = sql<SqlBool>`d.revision = (
    select s.revision from disclosures s where ${group} order by s.disclosed_at desc, s.revision desc limit 1)`
  let shown = db
    .selectFrom('disclosures as d')
    .selectAll('d')
    .where(isCounted('d', clinic, query))
  if (query.groupRepeats) shown = shown.where(isLast)
  if (after !== undefined)
    shown = shown.where(sql<SqlBool>`(d.disclosed_at, d.revision) < (${instant(after.at)}, ${String(after.revision)}::bigint)`)
  const last = shown.orderBy('d.disclosed_at', 'desc').orderBy('d.revision', 'desc').limit(limit)
  const firstOfGroup = sql`(select s.* from disclosures s where ${group} order by s.disclosed_at, s.revision limit 1)`
  const numberInGroup = sql`(select count(*) as disclosures from disclosures s where ${group})`
  const beside = query.groupRepeats
    ? sql`cross join lateral ${numberInGroup} n cross join lateral ${firstOfGroup} f`
    : sql`cross join lateral (select 1::bigint as disclosures) n cross join lateral (select d.*) f`
  return sql<StoredRow>`
    select f.entry_id, f.entry_type, f.entry_time, f.revision, f.leaf_hash, f.patient, f.disclosed_at, f.category, f.recorded_by_type,
      f.recorded_by, f.suspended_until, f.sealed, n.disclosures, d.disclosed_at as last_disclosed_at, d.revision as last_revision,
      (extract(epoch from d.disclosed_at) * 1000000)::bigint as last_us
    from (${last}) d ${beside}
    order by d.disclosed_at desc, d.revision desc`
}

interface StoredRow {
  readonly entry_id: string
  readonly entry_type: string
  readonly entry_time: Date
  readonly revision: string
  readonly leaf_hash: Buffer
  readonly patient: string
  readonly disclosed_at: Date
  readonly category: DisclosureCategory
  readonly recorded_by_type: string
  readonly recorded_by: string
  readonly suspended_until: Date | null
  readonly sealed: unknown
  readonly disclosures: string
  readonly last_disclosed_at: Date
  readonly last_revision: string
  readonly last_us: string
}

const show = async (
  row: StoredRow,
  ended: bigint | undefined,
  { clinic, vault, unseal }: ReportCall,
  names: Names,
): Promise<DisclosureRow> => {
  // There is no disclosure without text: where none was sealed, the key had been destroyed already.
  const part = row.sealed === null ? 'erased' : await openSealedPart(clinic, vault, row)
  const until = row.suspended_until?.getTime()
  const suspendedUntil = until !== undefined && ended !== undefined && BigInt(until) * 1_000n <= ended ? undefined : until
  return {
    entry: { id: row.entry_id, revision: BigInt(row.revision), time: row.entry_time.getTime(), leafHash: row.leaf_hash },
    patientId: names.patient(row.patient),
    disclosedAt: row.disclosed_at.getTime(),
    recipientName: textOf(part, 'recipient_name', unseal),
    recipientAddress: textOf(part, 'recipient_address', unseal),
    description: textOf(part, 'description', unseal),
    purpose: textOf(part, 'purpose', unseal),
    category: row.category,
    disclosures: BigInt(row.disclosures),
    lastDisclosedAt: row.last_disclosed_at.getTime(),
    recordedBy: names.subject(row.recorded_by_type, row.recorded_by),
    suspendedUntil,
  }
}

/** A page. "Now" is the moment of the first page on every later one. */
export const disclosures = async (call: ReportCall, query: DisclosuresQuery, range: PageRange): Promise<ReportPage<DisclosureRow>> => {
  const { clinic, vault, reader, people, deadline } = call
  const { after, limit } = range
  const { rows, found, completeTo, parked, now } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    const now = after === undefined ? (query.now ?? (await databaseTime(transaction))) : numberIn(after, 'now')
    const until = query.until ?? now
    const counted = { ...query, now, until, from: query.from ?? sixYearsBefore(until), through }
    const place = after === undefined ? undefined : { at: numberIn(after, 'at'), revision: numberIn(after, 'revision') }
    const { rows } = await disclosureRowsQuery(transaction, clinic, counted, { after: place, limit: limit + 1 }).execute(transaction)
    const found = await people.find(
      transaction,
      clinic,
      rows.flatMap((row) => [row.patient, row.recorded_by]),
    )
    return { rows, found, completeTo: through, parked, now }
  })
  const page = cutPage(rows, limit, (last) => ({ at: last.last_us, revision: last.last_revision, now: String(now) }))
  const names = await people.open(clinic, vault, found)
  return {
    rows: await Promise.all(page.rows.map((row) => show(row, query.includeSuspended ? undefined : now, call, names))),
    next: page.next,
    completeTo,
    parked,
    extra: undefined,
  }
}
