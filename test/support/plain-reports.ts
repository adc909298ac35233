/** The reports by the book: plain lists over the decoded entries, as somebody with the ledger, the keys and patience would make them. */

import { decodeEntry } from '../../services/access/event-codec.ts'
import type { AccessEvent } from '../../services/access/events.ts'
import type { StoredEntry } from '../../services/audit/ledger.ts'
import type { ClinicVault, Pseudonym } from '../../services/audit/vault.ts'

export interface PlainAccess {
  readonly id: string
  readonly revision: bigint
  readonly kind: 'authorised' | 'performed' | 'refused' | 'probed'
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly subject: Pseudonym
  readonly action: string
  readonly resourceType: string
  readonly resourceId: string
  readonly patient: Pseudonym | undefined
  readonly purpose: string
  readonly caller: string
  readonly roles: readonly string[]
  readonly emergency: boolean
  readonly decision: string | undefined
}

export interface PlainFilter {
  readonly patient?: Pseudonym | undefined
  readonly subject?: Pseudonym | undefined
  readonly caller?: string | undefined
  readonly resourceTypes?: readonly string[]
  readonly actions?: readonly string[]
  readonly purposes?: readonly string[]
  /** Absent: all but probed. */
  readonly kinds?: readonly PlainAccess['kind'][]
  /** Milliseconds since the epoch; `until` exclusive. */
  readonly from?: number | undefined
  readonly until?: number | undefined
}

const accessOf = async (clinic: string, vault: ClinicVault, entry: StoredEntry, event: AccessEvent): Promise<PlainAccess | undefined> => {
  if (event.type !== 'chartwarden.access.decided.v1' && event.type !== 'chartwarden.access.recorded.v1') return undefined
  const { data } = event
  const opened = data.sealed && (await vault.open(data.sealed, { clinic, entryId: entry.id, entryType: entry.type }))
  const resourceId = opened?.kind === 'opened' ? (opened.value as { resource_id: string }).resource_id : ''
  const common = {
    id: entry.id,
    revision: entry.revision,
    subject: data.subject.pseudonym,
    action: data.action,
    resourceType: data.resource_type,
    resourceId,
    patient: data.patient,
    purpose: data.purpose,
    caller: event.caller,
  }
  if (event.type === 'chartwarden.access.recorded.v1') {
    const { occurred_at, decision_entry_id } = event.data
    return { ...common, kind: 'performed', at: Date.parse(occurred_at), roles: [], emergency: false, decision: decision_entry_id }
  }
  const { intent, decision, roles, overrode } = event.data
  const kind = intent === 'probe' ? 'probed' : decision === 'permit' ? 'authorised' : 'refused'
  return { ...common, kind, at: event.time, roles, emergency: decision === 'permit' && overrode !== undefined, decision: undefined }
}

export const plainLedger = async (clinic: string, vault: ClinicVault, entries: readonly StoredEntry[]) => {
  const events = entries.filter((entry) => entry.clinic === clinic).map((entry) => ({ entry, event: decodeEntry(entry) as AccessEvent }))
  const accesses = (await Promise.all(events.map(({ entry, event }) => accessOf(clinic, vault, entry, event)))).filter(
    (access) => access !== undefined,
  )

  const matching = (filter: PlainFilter): PlainAccess[] =>
    accesses
      .filter((access) => (filter.kinds ?? ['authorised', 'performed', 'refused']).includes(access.kind))
      .filter((access) => filter.patient === undefined || access.patient === filter.patient)
      .filter((access) => filter.subject === undefined || access.subject === filter.subject)
      .filter((access) => filter.caller === undefined || access.caller === filter.caller)
      .filter((access) => (filter.resourceTypes ?? []).length === 0 || filter.resourceTypes?.includes(access.resourceType))
      .filter((access) => (filter.actions ?? []).length === 0 || filter.actions?.includes(access.action))
      .filter((access) => (filter.purposes ?? []).length === 0 || filter.purposes?.includes(access.purpose))
      .filter((access) => access.at >= (filter.from ?? Number.NEGATIVE_INFINITY) && access.at < (filter.until ?? Number.POSITIVE_INFINITY))
      .sort((one, other) => other.at - one.at || Number(other.revision - one.revision))

  /** Whether somebody had left, and not come back, before an entry. */
  const goneBefore = (subject: Pseudonym, revision: bigint): boolean =>
    events.findLast(
      ({ entry, event }) =>
        entry.revision < revision &&
        (event.type === 'chartwarden.staff.offboarded.v1' || event.type === 'chartwarden.staff.reinstated.v1') &&
        event.data.subject.pseudonym === subject,
    )?.event.type === 'chartwarden.staff.offboarded.v1'

  /** Roles held by somebody at a moment: granted while employed, begun, not over, not revoked, and the person had not left. */
  const rolesAt = (subject: Pseudonym, at: number): string[] => {
    const held = new Set<string>()
    for (const { entry, event: grant } of events) {
      if (grant.type !== 'chartwarden.role.granted.v1' || grant.data.subject.pseudonym !== subject) continue
      if (goneBefore(subject, entry.revision)) continue
      const from = grant.data.from === undefined ? grant.time : Date.parse(grant.data.from)
      const until = grant.data.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(grant.data.until)
      const end = events.find(
        ({ entry: later, event }) =>
          later.revision > entry.revision &&
          ((event.type === 'chartwarden.role.revoked.v1' && event.data.grant_ids.includes(entry.id)) ||
            (event.type === 'chartwarden.staff.offboarded.v1' && event.data.subject.pseudonym === subject && until > event.time)),
      )
      if (from <= at && at < Math.min(until, end?.event.time ?? Number.POSITIVE_INFINITY)) held.add(grant.data.role)
    }
    return [...held].sort()
  }

  /** Changes and readings of the audit log, by the person they name or the software alone. */
  const deeds = events.flatMap(({ entry, event }) => {
    const registered = event.type === 'chartwarden.clinic.registered.v1'
    if (!registered && !('actor' in event.data)) return []
    const actor = registered || !('actor' in event.data) ? undefined : event.data.actor.subject?.pseudonym
    const kind = event.type === 'chartwarden.trail.viewed.v1' ? ('reading' as const) : ('change' as const)
    return [{ id: entry.id, revision: entry.revision, kind, at: event.time, actor, caller: event.caller }]
  })

  /** Of a person, of software (also what it did for nobody), or everything done through software. */
  const deedsOf = (account: { readonly subject?: Pseudonym; readonly software?: string | undefined; readonly caller?: string }) =>
    deeds.filter(
      ({ actor, caller }) =>
        (account.subject !== undefined && actor === account.subject) ||
        (account.software !== undefined && actor === undefined && caller === account.software) ||
        (account.caller !== undefined && caller === account.caller),
    )

  return { accesses, matching, rolesAt, deedsOf, events }
}

export type PlainLedger = Awaited<ReturnType<typeof plainLedger>>

/** YYYY-MM-DD of a moment in a zone, by the zone data of the runtime. */
export const dayIn = (timeZone: string, at: number): string =>
  new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(at)
