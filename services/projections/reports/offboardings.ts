/** Who left, what ended, and what was tried afterwards; newest first. */
import type { Pseudonym } from '../../audit/vault.ts'
import type { NamedSubject } from '../reading.ts'
import { cutPage, type EntryReference, type ReportCall, type ReportPage } from './report-call.ts'
import { readProgress } from './report-reader.ts'
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
}

export interface OffboardingsQuery {
  readonly subject?: Pseudonym
  /** Undefined: as far as the read models have come. */
  readonly through: bigint | undefined
  /** Offboardings of earlier revisions only. */
  readonly before?: bigint
  readonly limit: number
}

/** A page, and to which revision it is complete. The attempts of a later page may include some made since the first page. */
export const offboardings = async (
  call: ReportCall,
  { subject, through, before, limit }: OffboardingsQuery,
): Promise<ReportPage<OffboardingRow, bigint> & { readonly completeTo: bigint }> => {
  const { clinic, vault, reader, people, unseal, deadline } = call
  const { rows, ended, found, completeTo } = await reader.read(clinic, deadline, async (transaction) => {
    const completeTo = through ?? (await readProgress(transaction, clinic)) ?? -1n
    let query = transaction
      .selectFrom('chartwarden_projections.offboardings')
      .selectAll()
      .where('clinic', '=', clinic)
      .where('revision', '<=', String(completeTo))
    if (subject !== undefined) query = query.where('subject', '=', subject)
    if (before !== undefined) query = query.where('revision', '<', String(before))
    const rows = await query
      .orderBy('revision', 'desc')
      .limit(limit + 1)
      .execute()
    const revisions = rows.slice(0, limit).map((row) => row.revision)
    const ended = revisions.length === 0 ? [] : await grantsEndedBy(transaction, clinic, revisions)
    const pseudonyms = [...rows.flatMap((row) => [row.subject, row.decided_by]), ...ended.flatMap(pseudonymsOf)]
    return { rows, ended, found: await people.find(transaction, clinic, pseudonyms), completeTo }
  })
  const page = cutPage(rows, limit, (last) => BigInt(last.revision))
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
    }),
  )
  return { rows: await Promise.all(shown), next: page.next, completeTo }
}
