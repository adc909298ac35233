/** Who held which role at a moment, in the order of the grants. */
import type { Kysely } from 'kysely'
import type { Pseudonym } from '../../audit/vault.ts'
import { instant, type ProjectionDatabase } from '../database.ts'
import type { NamedSubject } from '../reading.ts'
import { databaseTime } from './database-time.ts'
import type { Names } from './people.ts'
import { cutPage, type EntryReference, extentOf, numberIn, type PageRange, type ReportCall, type ReportPage } from './report-call.ts'
import { openSealedPart, reasonOf } from './sealed-parts.ts'

export interface GrantRow {
  readonly subject: NamedSubject
  readonly role: string
  readonly grantId: string
  /** Milliseconds since the epoch. */
  readonly from: number
  /** Exclusive; undefined: open. */
  readonly until: number | undefined
  /** Undefined when the calling software granted alone. */
  readonly grantor: NamedSubject | undefined
  readonly reason: string
  readonly entry: EntryReference
}

export interface RoleGrantsQuery {
  /** Microseconds since the epoch; undefined: now. */
  readonly asOf: bigint | undefined
  readonly subject?: Pseudonym
}

interface GrantRange {
  readonly through: bigint
  /** Grants of later revisions only. */
  readonly after?: bigint
  readonly limit: number
}

const grants = (db: Kysely<ProjectionDatabase>, clinic: string) =>
  db
    .selectFrom('role_grants as g')
    .select([
      'g.grant_id',
      'g.revision',
      'g.entry_type',
      'g.entry_time',
      'g.leaf_hash',
      'g.subject_type',
      'g.subject',
      'g.role',
      'g.valid_from',
    ])
    .select(['g.valid_until', 'g.grantor_type', 'g.grantor', 'g.sealed', 'g.grant_id as entry_id', 'g.ended_entry_id'])
    .where('g.clinic', '=', clinic)

/**
 * In force at T: from <= T < until and not ended at T. Both halves are ranges of an index. The second puts back the grants that were ended
 * by entries after `through`: to a report as of that revision they had not happened.
 */
export const grantsInForceQuery = (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  { asOf, subject, through, after, limit }: RoleGrantsQuery & GrantRange & { readonly asOf: bigint },
) => {
  const candidates = () => {
    let query = grants(db, clinic).where('g.valid_from', '<=', instant(asOf)).where('g.revision', '<=', String(through))
    if (after !== undefined) query = query.where('g.revision', '>', String(after))
    if (subject !== undefined) query = query.where('g.subject', '=', subject)
    return query
  }
  const inForce = candidates().where('g.in_force_until', '>', instant(asOf))
  const endedLater = candidates()
    .where('g.ended_revision', '>', String(through))
    .where('g.in_force_until', '<=', instant(asOf))
    .where((where) => where.or([where('g.valid_until', 'is', null), where('g.valid_until', '>', instant(asOf))]))
  return db.selectFrom(inForce.unionAll(endedLater).as('held')).selectAll().orderBy('revision').limit(limit)
}

type StoredGrant = Awaited<ReturnType<ReturnType<typeof grants>['execute']>>[number]

/** Every pseudonym a grant shows. */
export const pseudonymsOf = (row: StoredGrant): (string | null)[] => [row.subject, row.grantor]

export const showGrant = async (row: StoredGrant, call: ReportCall, names: Names): Promise<GrantRow> => ({
  subject: names.subject(row.subject_type, row.subject),
  role: row.role,
  grantId: row.grant_id,
  from: row.valid_from.getTime(),
  until: row.valid_until?.getTime(),
  grantor: row.grantor === null ? undefined : names.subject(row.grantor_type ?? '', row.grantor),
  reason: reasonOf(await openSealedPart(call.clinic, call.vault, row), call.unseal),
  entry: { id: row.grant_id, revision: BigInt(row.revision), time: row.entry_time.getTime(), leafHash: row.leaf_hash },
})

/** The grants that ended with each of these entries, in the order they were given. */
export const grantsEndedBy = (db: Kysely<ProjectionDatabase>, clinic: string, revisions: readonly string[]) =>
  grants(db, clinic).where('g.ended_revision', 'in', revisions).orderBy('g.revision').execute()

/** A page. "Now" is the moment of the first page on every later one. */
export const roleGrants = async (call: ReportCall, query: RoleGrantsQuery, range: PageRange): Promise<ReportPage<GrantRow>> => {
  const { clinic, vault, reader, people, deadline } = call
  const { rows, found, completeTo, parked, asOf } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    const asOf = range.after === undefined ? (query.asOf ?? (await databaseTime(transaction))) : numberIn(range.after, 'as_of')
    const after = range.after === undefined ? {} : { after: numberIn(range.after, 'revision') }
    const rows = await grantsInForceQuery(transaction, clinic, { ...query, ...after, asOf, through, limit: range.limit + 1 }).execute()
    const found = await people.find(transaction, clinic, rows.flatMap(pseudonymsOf))
    return { rows, found, completeTo: through, parked, asOf }
  })
  const page = cutPage(rows, range.limit, (last) => ({ revision: last.revision, as_of: String(asOf) }))
  const names = await people.open(clinic, vault, found)
  return {
    rows: await Promise.all(page.rows.map((row) => showGrant(row, call, names))),
    next: page.next,
    completeTo,
    parked,
    extra: undefined,
  }
}
