/** What one account touched between two moments: the whole window in numbers, and a row for each patient, those touched first first. */
import { type Kysely, type SqlBool, sql } from 'kysely'
import type { Pseudonym } from '../../audit/vault.ts'
import { instant, microseconds, type ProjectionDatabase, type ProjectionTransaction } from '../database.ts'
import type { AccessKind } from '../read-models/access-history.ts'
import { type AccessFilter, accessesOf } from './access-history.ts'
import { countRecords } from './count-records.ts'
import { allowCountingMemory } from './counting-memory.ts'
import { type Cursor, cutPage, extentOf, numberIn, type PageRange, type ReportCall, type ReportPage } from './report-call.ts'

/** A person's account, or calling software with everything done through it. */
export type Account =
  | {
      readonly kind: 'subject'
      readonly subject: Pseudonym
      /** Calling software: also what it did for nobody, of which the entries name no person. Undefined: a person. */
      readonly software: string | undefined
    }
  | { readonly kind: 'caller'; readonly caller: string }

export interface AccountScopeQuery {
  readonly account: Account
  /** Microseconds since the epoch. */
  readonly from: bigint
  /** Exclusive. */
  readonly until: bigint
}

export interface ScopeRow {
  readonly patientId: string
  /** Microseconds since the epoch. */
  readonly first: bigint
  readonly last: bigint
  readonly authorised: bigint
  readonly performed: bigint
  readonly refused: bigint
  readonly resourceTypes: readonly string[]
  readonly actions: readonly string[]
  readonly records: bigint
}

const counts = [
  'patients',
  'patients_refused_only',
  'records',
  'authorised',
  'performed',
  'refused',
  'probed',
  'without_patient',
  'changes',
  'readings',
] as const

/** Numbers of the whole window; 0 where nothing is. */
export type ScopeCounts = Readonly<Record<(typeof counts)[number], bigint>>

export interface ScopeTotals extends ScopeCounts {
  /** Microseconds since the epoch; undefined: nothing happened. */
  readonly first: bigint | undefined
  readonly last: bigint | undefined
  /** Whether records were counted: they are sealed, and those of more than `maxOpenedAccesses` accesses are not opened for one report. */
  readonly recordsCounted: boolean
}

/** A few seconds of a processor. */
const defaultMaxOpenedAccesses = 100_000n

const opened: readonly AccessKind[] = ['authorised', 'performed']
const touched: readonly AccessKind[] = [...opened, 'refused']

const accessFilter = ({ account, from, until }: AccountScopeQuery, kinds: readonly AccessKind[]): AccessFilter => ({
  ...(account.kind === 'subject' ? { subject: account.subject } : { caller: account.caller }),
  resourceTypes: [],
  actions: [],
  purposes: [],
  kinds,
  from,
  until,
})

const countOf = (kind: AccessKind) => sql<string>`coalesce(sum(n) filter (where kind = ${kind}), 0)::bigint`
const isOpened = sql<SqlBool>`kind in ('authorised', 'performed')`

type Numbers = Omit<ScopeTotals, 'records' | 'recordsCounted'>

const bigintOf = (value: string | null | undefined): bigint | undefined =>
  value === null || value === undefined ? undefined : BigInt(value)

/** Whose an activity is, as in StaffActivity. */
const isOf = (account: Account) => {
  if (account.kind === 'caller') return sql<SqlBool>`caller = ${account.caller}`
  if (account.software === undefined) return sql<SqlBool>`actor = ${account.subject}`
  return sql<SqlBool>`(actor = ${account.subject} or (actor is null and caller = ${account.software}))`
}

/** By patient and kind first, so that a patient is counted once however many accesses there were. */
const numbersOf = async (db: ProjectionTransaction, clinic: string, query: AccountScopeQuery, through: bigint): Promise<Numbers> => {
  const { account, from, until } = query
  const byPatient = accessesOf(db, clinic, accessFilter(query, [...touched, 'probed']), through)
    .select(({ fn }) => ['patient', 'kind', fn.countAll().as('n'), fn.min('occurred_at').as('first'), fn.max('occurred_at').as('last')])
    .groupBy(['patient', 'kind'])
  const { rows } = await sql<Readonly<Record<string, string | null>>>`
    with counted as (${byPatient}),
    patients as (
      select bool_or(${isOpened}) as opened from counted where kind <> 'probed' and patient is not null group by patient
    ),
    deeds as (
      select kind, count(*) as n, min(entry_time) as first, max(entry_time) as last from activities
      where clinic = ${clinic} and ${isOf(account)} and revision <= ${String(through)}::bigint
        and entry_time >= ${instant(from)} and entry_time < ${instant(until)}
      group by kind
    ),
    ends as (select min(first) as first_at, max(last) as last_at from (select first, last from counted union all select first, last from deeds) e),
    accesses as (
      select ${countOf('authorised')} as authorised, ${countOf('performed')} as performed, ${countOf('refused')} as refused,
        ${countOf('probed')} as probed, coalesce(sum(n) filter (where patient is null and kind <> 'probed'), 0)::bigint as without_patient
      from counted
    )
    select accesses.*,
      (select count(*) from patients where opened) as patients, (select count(*) from patients where not opened) as patients_refused_only,
      (select coalesce(sum(n), 0)::bigint from deeds where kind = 'change') as changes,
      (select coalesce(sum(n), 0)::bigint from deeds where kind = 'reading') as readings,
      ${microseconds('first_at')} as first, ${microseconds('last_at')} as last
    from accesses, ends`.execute(db)
  const row = rows[0] ?? {}
  const number = (name: Exclude<keyof ScopeCounts, 'records'>) => [name, bigintOf(row[name]) ?? 0n] as const
  const numbers = Object.fromEntries(counts.filter((name) => name !== 'records').map(number)) as Omit<ScopeCounts, 'records'>
  return { ...numbers, first: bigintOf(row.first), last: bigintOf(row.last) }
}

interface StoredRow {
  readonly patient: string
  readonly first: string
  readonly last: string
  readonly authorised: string
  readonly performed: string
  readonly refused: string
  readonly resource_types: string[] | null
  readonly actions: string[] | null
}

/** The patients of a page first; only theirs are sorted for the lists. */
const scopeRowsQuery = (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  query: AccountScopeQuery,
  { through, after, limit }: { readonly through: bigint; readonly after: Cursor | undefined; readonly limit: number },
) => {
  const accesses = () => accessesOf(db, clinic, accessFilter(query, touched), through).where('patient', 'is not', null)
  const kindCount = (kind: AccessKind) => sql<string>`count(*) filter (where kind = ${kind})`
  const byPatient = accesses()
    .select(({ fn }) => ['patient', fn.min('occurred_at').as('first_at'), fn.max('occurred_at').as('last_at')])
    .select([kindCount('authorised').as('authorised'), kindCount('performed').as('performed'), kindCount('refused').as('refused')])
    .groupBy('patient')
  const further =
    after === undefined
      ? byPatient
      : byPatient.having(sql<SqlBool>`(min(occurred_at), patient) > (${instant(numberIn(after, 'at'))}, ${after.patient ?? ''})`)
  const page = further.orderBy('first_at').orderBy('patient').limit(limit)
  const lists = accesses()
    .where(isOpened)
    .where(sql<SqlBool>`patient in (select patient from page)`)
    .select(['patient', sql`array_agg(distinct resource_type collate "C")`.as('resource_types')])
    .select(sql`array_agg(distinct action collate "C")`.as('actions'))
    .groupBy('patient')
  return sql<StoredRow>`
    with page as materialized (${page}), lists as (${lists})
    select page.patient, ${microseconds('first_at')} as first, ${microseconds('last_at')} as last, authorised, performed, refused,
      resource_types, actions
    from page left join lists on lists.patient = page.patient
    order by first_at, page.patient`
}

/** The numbers of the first page go from page to page in its token. */
const carried = ({ first, last, recordsCounted, ...numbers }: ScopeTotals): Cursor => ({
  ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, String(value)])),
  ...(first === undefined || last === undefined ? {} : { first: String(first), last: String(last) }),
  records_counted: String(recordsCounted),
})

const carriedTotals = (after: Cursor): ScopeTotals => ({
  ...(Object.fromEntries(counts.map((name) => [name, numberIn(after, name)])) as ScopeCounts),
  first: bigintOf(after.first),
  last: bigintOf(after.last),
  recordsCounted: after.records_counted === 'true',
})

export const accountScope = async (
  call: ReportCall,
  query: AccountScopeQuery,
  range: PageRange,
  { maxOpenedAccesses = defaultMaxOpenedAccesses }: { readonly maxOpenedAccesses?: bigint } = {},
): Promise<ReportPage<ScopeRow, ScopeTotals>> => {
  const { clinic, vault, reader, people, deadline } = call
  const { after } = range
  const { page, numbers, found, through, parked } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    await allowCountingMemory(transaction)
    const { rows } = await scopeRowsQuery(transaction, clinic, query, { through, after, limit: range.limit + 1 }).execute(transaction)
    const numbers: Numbers = after === undefined ? await numbersOf(transaction, clinic, query, through) : carriedTotals(after)
    const page = cutPage(rows, range.limit, (last) => ({ at: last.first, patient: last.patient }))
    const found = await people.find(
      transaction,
      clinic,
      page.rows.map(({ patient }) => patient),
    )
    return { page, numbers, found, through, parked }
  })
  const recordsCounted = numbers.authorised + numbers.performed <= maxOpenedAccesses
  // The first page opens the whole window for its total, later pages only what is of their patients.
  const shown = after === undefined ? undefined : page.rows.map(({ patient }) => patient)
  const records = recordsCounted ? await countRecords(call, accessFilter(query, opened), through, shown) : undefined
  const totals: ScopeTotals =
    after === undefined ? { ...numbers, records: BigInt(records?.total ?? 0), recordsCounted } : carriedTotals(after)
  const names = await people.open(clinic, vault, found)
  const rows = page.rows.map(
    (row): ScopeRow => ({
      patientId: names.patient(row.patient),
      first: BigInt(row.first),
      last: BigInt(row.last),
      authorised: BigInt(row.authorised),
      performed: BigInt(row.performed),
      refused: BigInt(row.refused),
      resourceTypes: row.resource_types ?? [],
      actions: row.actions ?? [],
      records: BigInt(records?.byPatient.get(row.patient) ?? 0),
    }),
  )
  const next = page.next === undefined ? undefined : { ...carried(totals), ...page.next }
  return { rows, next, completeTo: through, parked, extra: totals }
}
