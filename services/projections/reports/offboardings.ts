/** Who left, what ended, and what was tried afterwards; newest first. */
import { sql } from 'kysely'
import type { Pseudonym } from '../../audit/vault.ts'
import type { NamedSubject } from '../reading.ts'
import { cutPage, type EntryReference, numberIn, type PageRange, type ReportCall, type ReportPage, throughOf } from './report-call.ts'
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

/** Counted when asked: an end of employment in the past concerns accesses that were in the read models long before its entry. */
const accessesCounted = (through: bigint) => {
  const during = (kinds: string, from: string, until: string) => sql<string>`(
    select count(*) from access_history a
    where a.clinic = o.clinic and a.subject = o.subject and a.kind in (${sql.raw(kinds)}) and a.revision <= ${String(through)}::bigint
      and a.occurred_at >= ${sql.raw(from)} and a.occurred_at < ${sql.raw(until)}
  )`
  return [
    during(`'authorised', 'performed'`, 'o.effective', 'o.entry_time').as('accesses_between'),
    during(`'performed'`, 'o.entry_time', `coalesce(o.reinstated_at, 'infinity')`).as('performed_after_exit'),
  ]
}

/** A page, and to which revision it is complete. The attempts of a later page may include some made since the first page. */
export const offboardings = async (
  call: ReportCall,
  { subject }: OffboardingsQuery,
  range: PageRange,
): Promise<ReportPage<OffboardingRow>> => {
  const { limit } = range
  const { clinic, vault, reader, people, unseal, deadline } = call
  const { rows, ended, found, completeTo } = await reader.read(clinic, deadline, async (transaction) => {
    const completeTo = await throughOf(transaction, call, range)
    let query = transaction
      .selectFrom('offboardings as o')
      .selectAll()
      .select(accessesCounted(completeTo))
      .where('clinic', '=', clinic)
      .where('revision', '<=', String(completeTo))
    if (subject !== undefined) query = query.where('subject', '=', subject)
    if (range.after !== undefined) query = query.where('revision', '<', String(numberIn(range.after, 'revision')))
    const rows = await query
      .orderBy('revision', 'desc')
      .limit(limit + 1)
      .execute()
    const revisions = rows.slice(0, limit).map((row) => row.revision)
    const ended = revisions.length === 0 ? [] : await grantsEndedBy(transaction, clinic, revisions)
    const pseudonyms = [...rows.flatMap((row) => [row.subject, row.decided_by]), ...ended.flatMap(pseudonymsOf)]
    return { rows, ended, found: await people.find(transaction, clinic, pseudonyms), completeTo }
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
  return { rows: await Promise.all(shown), next: page.next, completeTo, extra: undefined }
}
