/** Who left, what ended, and what was tried afterwards; newest first. */
import { type RawBuilder, sql } from 'kysely'
import type { Pseudonym } from '../../audit/vault.ts'
import type { NamedSubject } from '../reading.ts'
import { cutPage, type EntryReference, extentOf, numberIn, type PageRange, type ReportCall, type ReportPage } from './report-call.ts'
import { type GrantRow, grantsEndedBy, pseudonymsOf, showGrant } from './role-grants.ts'
import { openSealedPart, reasonOf } from './sealed-parts.ts'

export interface OffboardingRow {
  readonly subject: NamedSubject
  /** Undefined when the calling software decided alone. */
  readonly decidedBy: NamedSubject | undefined
  readonly reason: string
  /** Milliseconds since the epoch. */
  readonly effective: number
  readonly entry: EntryReference
  readonly grantsEnded: readonly GrantRow[]
  readonly attemptsAfterExit: bigint
  readonly lastAttempt: number | undefined
  /** The person was known to the clinic; false: barred, perhaps by a mistyped identifier. */
  readonly known: boolean
  readonly reinstatedAt: number | undefined
  /** Permitted or performed between the end of employment and the entry that ended access. */
  readonly accessesBetween: bigint
  /** Reported to have taken place after the entry and before a reinstatement. */
  readonly performedAfterExit: bigint
  /** The calling software. */
  readonly caller: string
}

export interface OffboardingsQuery {
  readonly subject?: Pseudonym
}

/**
 * What became of an offboarding, as of the revision that the report is complete to: what later entries did had not happened, on whichever page.
 * Accesses are counted when asked, also because an end of employment in the past concerns some from long before its entry. An attempt is a check
 * refused before a reinstatement; a refused administrative call is no check.
 */
const asOf = (through: bigint) => {
  const to = sql`${String(through)}::bigint`
  const reinstatedAt = sql<Date | null>`case when o.reinstated_revision <= ${to} then o.reinstated_at end`
  const attempts = <Value>(what: string) => sql<Value>`(
    select ${sql.raw(what)} from access_history a
    where a.clinic = o.clinic and a.subject = o.subject and a.kind = 'refused' and a.operation is null
      and a.revision > o.revision and a.revision <= ${to} and (o.reinstated_revision is null or a.revision < o.reinstated_revision)
  )`
  const during = (kinds: string, from: string, until: RawBuilder<unknown>) => sql<string>`(
    select count(*) from access_history a
    where a.clinic = o.clinic and a.subject = o.subject and a.kind in (${sql.raw(kinds)}) and a.revision <= ${to}
      and a.occurred_at >= ${sql.raw(from)} and a.occurred_at < ${until}
  )`
  return [
    during(`'authorised', 'performed'`, 'o.effective', sql`o.entry_time`).as('accesses_between'),
    during(`'performed'`, 'o.entry_time', sql`coalesce(${reinstatedAt}, 'infinity')`).as('performed_after_exit'),
    attempts<string>('count(*)').as('attempts_after_exit'),
    attempts<Date | null>('max(a.occurred_at)').as('last_attempt'),
    reinstatedAt.as('reinstated_at'),
  ]
}

/** A page, and to which revision it is complete. */
export const offboardings = async (
  call: ReportCall,
  { subject }: OffboardingsQuery,
  range: PageRange,
): Promise<ReportPage<OffboardingRow>> => {
  const { limit } = range
  const { clinic, vault, reader, people, unseal, deadline } = call
  const { rows, ended, found, completeTo, parked } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    let query = transaction
      .selectFrom('offboardings as o')
      .select([
        'o.revision',
        'o.entry_id',
        'o.entry_type',
        'o.entry_time',
        'o.leaf_hash',
        'o.subject_type',
        'o.subject',
        'o.decided_by_type',
      ])
      .select(['o.decided_by', 'o.caller', 'o.effective', 'o.unknown_subject', 'o.sealed'])
      .select(asOf(through))
      .where('clinic', '=', clinic)
      .where('revision', '<=', String(through))
    if (subject !== undefined) query = query.where('subject', '=', subject)
    if (range.after !== undefined) query = query.where('revision', '<', String(numberIn(range.after, 'revision')))
    const rows = await query
      .orderBy('revision', 'desc')
      .limit(limit + 1)
      .execute()
    const revisions = rows.slice(0, limit).map((row) => row.revision)
    const ended = revisions.length === 0 ? [] : await grantsEndedBy(transaction, clinic, revisions)
    const pseudonyms = [...rows.flatMap((row) => [row.subject, row.decided_by]), ...ended.flatMap(pseudonymsOf)]
    return { rows, ended, found: await people.find(transaction, clinic, pseudonyms), completeTo: through, parked }
  })
  const page = cutPage(rows, limit, (last) => ({ revision: last.revision }))
  const names = await people.open(clinic, vault, found)
  const shown = page.rows.map(
    async (row): Promise<OffboardingRow> => ({
      subject: names.subject(row.subject_type, row.subject),
      decidedBy: row.decided_by === null ? undefined : names.subject(row.decided_by_type ?? '', row.decided_by),
      reason: reasonOf(await openSealedPart(clinic, vault, row), unseal),
      effective: row.effective.getTime(),
      entry: { id: row.entry_id, revision: BigInt(row.revision), time: row.entry_time.getTime(), leafHash: row.leaf_hash },
      grantsEnded: await Promise.all(
        ended.filter((grant) => grant.ended_entry_id === row.entry_id).map((grant) => showGrant(grant, call, names)),
      ),
      attemptsAfterExit: BigInt(row.attempts_after_exit),
      lastAttempt: row.last_attempt?.getTime(),
      known: !row.unknown_subject,
      reinstatedAt: row.reinstated_at?.getTime(),
      accessesBetween: BigInt(row.accesses_between),
      performedAfterExit: BigInt(row.performed_after_exit),
      caller: row.caller,
    }),
  )
  return { rows: await Promise.all(shown), next: page.next, completeTo, parked, extra: undefined }
}
