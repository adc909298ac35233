/** Who viewed what, when and why, newest first by occurrence, then by revision. */
import { type Kysely, type SqlBool, sql } from 'kysely'
import type { Pseudonym } from '../../audit/vault.ts'
import { instant, microseconds, type ProjectionDatabase } from '../database.ts'
import type { AccessKind } from '../read-models/access-history.ts'
import type { NamedSubject } from '../reading.ts'
import type { Names } from './people.ts'
import { cutPage, type EntryReference, type ReportCall, type ReportPage } from './report-call.ts'
import { readProgress } from './report-reader.ts'
import { openSealedPart, reasonOf } from './sealed-parts.ts'

/** Empty lists and absent members match all. Times in microseconds since the epoch. */
export interface AccessFilter {
  readonly patient?: Pseudonym
  readonly subject?: Pseudonym
  readonly resourceTypes: readonly string[]
  readonly actions: readonly string[]
  readonly purposes: readonly string[]
  /** At least one. */
  readonly kinds: readonly AccessKind[]
  readonly from?: bigint
  /** Exclusive. */
  readonly until?: bigint
}

export interface AccessRow {
  readonly entry: EntryReference
  readonly kind: AccessKind
  /** Microseconds since the epoch. */
  readonly occurredAt: bigint
  readonly subject: NamedSubject
  readonly action: string
  readonly resourceType: string
  /** `erased:<pseudonym>` once the key that sealed it is destroyed. */
  readonly resourceId: string
  readonly patientId: string
  readonly purpose: string
  readonly reason: string
  readonly reasonCode: string
  readonly rule: string
  readonly caller: string
  readonly flags: readonly string[]
  readonly decision: 'permit' | 'deny' | undefined
  readonly decisionEntryId: string
}

/** The last row of the page before. */
export interface AccessCursor {
  readonly occurredAt: bigint
  readonly revision: bigint
}

/** Rows up to a revision, after a cursor. */
export interface AccessRange {
  /** Rows of later entries are left out, so that all pages of a report are of one ledger. */
  readonly through: bigint
  readonly after?: AccessCursor
  readonly limit: number
}

/**
 * One index scan a kind, each already in the order of the report and cut at the page, then merged. Without that, a kind that is rare in a
 * long ledger would be searched for through all of it.
 */
export const accessRowsQuery = (db: Kysely<ProjectionDatabase>, clinic: string, filter: AccessFilter, range: AccessRange) => {
  const { through, after, limit } = range
  const ofKind = (kind: AccessKind) => {
    let query = db
      .selectFrom('chartwarden_projections.access_history')
      .selectAll()
      .select(microseconds('occurred_at').as('occurred_us'))
      .where('clinic', '=', clinic)
      .where('kind', '=', kind)
      .where('revision', '<=', String(through))
    if (filter.patient !== undefined) query = query.where('patient', '=', filter.patient)
    if (filter.subject !== undefined) query = query.where('subject', '=', filter.subject)
    if (filter.resourceTypes.length > 0) query = query.where('resource_type', 'in', filter.resourceTypes)
    if (filter.actions.length > 0) query = query.where('action', 'in', filter.actions)
    if (filter.purposes.length > 0) query = query.where('purpose', 'in', filter.purposes)
    if (filter.from !== undefined) query = query.where('occurred_at', '>=', instant(filter.from))
    if (filter.until !== undefined) query = query.where('occurred_at', '<', instant(filter.until))
    if (after !== undefined) {
      query = query.where(sql<SqlBool>`(occurred_at, revision) < (${instant(after.occurredAt)}, ${String(after.revision)}::bigint)`)
    }
    return query.orderBy('occurred_at', 'desc').orderBy('revision', 'desc').limit(limit)
  }
  const [first, ...others] = filter.kinds.map((kind) => db.selectFrom(ofKind(kind).as('of_kind')).selectAll())
  if (first === undefined) throw new RangeError('at least one kind')
  const merged = others.reduce((query, other) => query.unionAll(other), first)
  return db.selectFrom(merged.as('merged')).selectAll().orderBy('occurred_at', 'desc').orderBy('revision', 'desc').limit(limit)
}

type StoredRow = Awaited<ReturnType<ReturnType<typeof accessRowsQuery>['execute']>>[number]

const show = async (row: StoredRow, call: ReportCall, names: Names): Promise<AccessRow> => {
  const part = await openSealedPart(call.clinic, call.vault, row)
  const resource = part === 'erased' || part === 'none' ? undefined : part.resource_id
  return {
    entry: { id: row.entry_id, revision: BigInt(row.revision), time: row.entry_time.getTime(), leafHash: row.leaf_hash },
    kind: row.kind,
    occurredAt: BigInt(row.occurred_us),
    subject: names.subject(row.subject_type, row.subject),
    action: row.action,
    resourceType: row.resource_type,
    resourceId: typeof resource === 'string' ? resource : `erased:${row.patient ?? row.subject}`,
    patientId: names.patient(row.patient),
    purpose: row.purpose,
    reason: reasonOf(part, call.unseal),
    reasonCode: row.reason_code,
    rule: row.rule,
    caller: row.caller,
    flags: row.flags,
    decision: row.decision ?? undefined,
    decisionEntryId: row.decision_entry_id ?? '',
  }
}

/** A page, and to which revision it is complete. `through` undefined: as far as the read models have come; they must have begun. */
export const accessHistory = async (
  call: ReportCall,
  filter: AccessFilter,
  range: Omit<AccessRange, 'through'> & { readonly through: bigint | undefined },
): Promise<ReportPage<AccessRow, AccessCursor> & { readonly completeTo: bigint }> => {
  const { clinic, vault, reader, people, deadline } = call
  const { rows, found, completeTo } = await reader.read(clinic, deadline, async (transaction) => {
    const through = range.through ?? (await readProgress(transaction, clinic)) ?? -1n
    const rows = await accessRowsQuery(transaction, clinic, filter, { ...range, through, limit: range.limit + 1 }).execute()
    const found = await people.find(
      transaction,
      clinic,
      rows.flatMap((row) => [row.subject, row.patient]),
    )
    return { rows, found, completeTo: through }
  })
  const page = cutPage(
    rows,
    range.limit,
    (last): AccessCursor => ({ occurredAt: BigInt(last.occurred_us), revision: BigInt(last.revision) }),
  )
  const names = await people.open(clinic, vault, found)
  return { rows: await Promise.all(page.rows.map((row) => show(row, call, names))), next: page.next, completeTo }
}

/** Rows read at a time for a stream; what it holds in memory is one such page, however many there are. */
const streamPage = 500

export type StreamedAccess =
  | { readonly kind: 'row'; readonly row: AccessRow }
  | { readonly kind: 'end'; readonly items: bigint; readonly completeTo: bigint }

/** Every row as of one revision, then the end. Each page is a short transaction, so that a slow reader holds nothing open. */
export async function* streamAccessHistory(
  call: ReportCall,
  filter: AccessFilter,
  beforePage: () => void,
): AsyncGenerator<StreamedAccess, void, void> {
  let through: bigint | undefined
  let after: AccessCursor | undefined
  let items = 0n
  do {
    beforePage()
    const page = await accessHistory(call, filter, { through, limit: streamPage, ...(after === undefined ? {} : { after }) })
    through = page.completeTo
    for (const row of page.rows) {
      yield { kind: 'row', row }
      items += 1n
    }
    after = page.next
  } while (after !== undefined)
  yield { kind: 'end', items, completeTo: through }
}
