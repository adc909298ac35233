/**
 * What persons and calling software did beside opening records: one row for each change, each reading of the audit log, and each disclosure
 * or concern recorded. Accesses stand in the access history; what ended by itself was nobody's doing and stands nowhere here.
 */
import { sql } from 'kysely'
import type { SubjectReference } from '../../access/events.ts'
import { recordset } from '../database.ts'
import { defineProjection, type ProjectedEvent, type ReadModelTable } from '../projection.ts'
import { optionalText, subject, text } from './content.ts'
import { type EntryColumns, entryColumnNames, entryColumnValues, entryRow, entryRowColumns, entryTableColumns } from './entry-columns.ts'

/** A change of what the clinic's decisions rest on; the audit log was read; a disclosure or a concern was recorded. */
export type ActivityKind = 'change' | 'reading' | 'recording'

export interface ActivitiesTable extends EntryColumns {
  readonly kind: ActivityKind
  /** Null when the calling software did it for nobody. */
  readonly actor_type: string | null
  readonly actor: string | null
  readonly about_type: string | null
  readonly about: string | null
  readonly patient: string | null
  /** A code: the role of a grant, the query of a reading, the outcome of a review. */
  readonly detail: string
}

const types = [
  'chartwarden.clinic.registered.v1',
  'chartwarden.role.defined.v2',
  'chartwarden.role.retired.v1',
  'chartwarden.staff.enrolled.v1',
  'chartwarden.staff.updated.v1',
  'chartwarden.staff.offboarded.v1',
  'chartwarden.staff.reinstated.v1',
  'chartwarden.role.granted.v1',
  'chartwarden.role.revoked.v1',
  'chartwarden.careteam.joined.v1',
  'chartwarden.careteam.left.v1',
  'chartwarden.record.shared.v1',
  'chartwarden.share.ended.v1',
  'chartwarden.settings.changed.v1',
  'chartwarden.subject.described.v1',
  'chartwarden.subject.removed.v1',
  'chartwarden.resource.described.v1',
  'chartwarden.resource.removed.v1',
  'chartwarden.consent.recorded.v1',
  'chartwarden.consent.withdrawn.v1',
  'chartwarden.emergency.opened.v1',
  'chartwarden.emergency.closed.v1',
  'chartwarden.emergency.reviewed.v1',
  'chartwarden.disclosure.recorded.v1',
  'chartwarden.concern.recorded.v1',
  'chartwarden.trail.viewed.v1',
] as const

type Handled = ProjectedEvent<(typeof types)[number]>

interface Deed {
  readonly kind: ActivityKind
  readonly actor: SubjectReference | undefined
  readonly about?: SubjectReference | undefined
  readonly patient?: string | undefined
  readonly detail?: string
}

/** Undefined for what happened by itself. */
const deedOf = ({ event }: Handled): Deed | undefined => {
  switch (event.type) {
    case 'chartwarden.clinic.registered.v1':
      return { kind: 'change', actor: undefined, about: event.data.administrator }
    case 'chartwarden.role.defined.v2':
    case 'chartwarden.role.retired.v1':
      return { kind: 'change', actor: event.data.actor.subject, detail: event.data.role }
    case 'chartwarden.staff.enrolled.v1':
    case 'chartwarden.staff.updated.v1':
    case 'chartwarden.staff.offboarded.v1':
    case 'chartwarden.staff.reinstated.v1':
    case 'chartwarden.subject.described.v1':
    case 'chartwarden.subject.removed.v1':
      return { kind: 'change', actor: event.data.actor.subject, about: event.data.subject }
    case 'chartwarden.role.granted.v1':
    case 'chartwarden.role.revoked.v1':
      return { kind: 'change', actor: event.data.actor.subject, about: event.data.subject, detail: event.data.role }
    case 'chartwarden.careteam.joined.v1':
    case 'chartwarden.careteam.left.v1':
      return { kind: 'change', actor: event.data.actor.subject, about: event.data.subject, patient: event.data.patient }
    case 'chartwarden.record.shared.v1': {
      const { actor, recipient, patient, purpose } = event.data
      return { kind: 'change', actor: actor.subject, about: recipient, patient, detail: purpose }
    }
    case 'chartwarden.share.ended.v1':
      return { kind: 'change', actor: event.data.actor.subject, detail: event.data.share_id }
    case 'chartwarden.settings.changed.v1':
      return { kind: 'change', actor: event.data.actor.subject }
    case 'chartwarden.resource.described.v1':
    case 'chartwarden.resource.removed.v1':
      return { kind: 'change', actor: event.data.actor.subject, patient: event.data.patient, detail: event.data.resource_type }
    case 'chartwarden.consent.recorded.v1': {
      const { actor, recipient, patient, decision } = event.data
      return { kind: 'change', actor: actor.subject, about: recipient, patient, detail: decision }
    }
    case 'chartwarden.consent.withdrawn.v1':
      return { kind: 'change', actor: event.data.actor.subject, patient: event.data.patient, detail: event.data.consent_id }
    case 'chartwarden.emergency.opened.v1': {
      const { actor, subject: about, patient, purpose } = event.data
      return { kind: 'change', actor: actor.subject, about, patient, detail: purpose }
    }
    case 'chartwarden.emergency.closed.v1': {
      const { actor, subject: about, patient, cause } = event.data
      return cause === 'expired' ? undefined : { kind: 'change', actor: actor.subject, about, patient, detail: cause }
    }
    case 'chartwarden.emergency.reviewed.v1': {
      const { actor, subject: about, patient, outcome } = event.data
      return { kind: 'change', actor: actor.subject, about, patient, detail: outcome }
    }
    case 'chartwarden.disclosure.recorded.v1':
      return { kind: 'recording', actor: event.data.recorded_by, patient: event.data.patient, detail: event.data.category }
    case 'chartwarden.concern.recorded.v1': {
      const { recorded_by, patient, kind, outcome } = event.data
      return { kind: 'recording', actor: recorded_by, patient, detail: outcome === undefined ? kind : `${kind} ${outcome}` }
    }
    case 'chartwarden.trail.viewed.v1': {
      const { actor, subject: about, patient, query } = event.data
      return { kind: 'reading', actor: actor.subject, about, patient, detail: query }
    }
  }
}

const optionalSubject = (value: SubjectReference | undefined) => (value === undefined ? undefined : subject(value))

const toRow = (projected: Handled) => {
  const deed = deedOf(projected)
  if (deed === undefined) return undefined
  const actor = optionalSubject(deed.actor)
  const about = optionalSubject(deed.about)
  return {
    ...entryRow(projected),
    kind: deed.kind,
    actor_type: actor?.type ?? null,
    actor: actor?.pseudonym ?? null,
    about_type: about?.type ?? null,
    about: about?.pseudonym ?? null,
    patient: optionalText(deed.patient),
    detail: text(deed.detail ?? ''),
  }
}

const rowColumns = `${entryRowColumns}, kind text, actor_type text, actor text, about_type text, about text, patient text, detail text`

const table: ReadModelTable = {
  name: 'activities',
  columns: `${entryTableColumns},
    kind text collate "C" not null check (kind in ('change', 'reading', 'recording')),
    actor_type text,
    actor text collate "C",
    about_type text,
    about text collate "C",
    patient text collate "C",
    detail text not null,
    primary key (clinic, revision)`,
  indexes: {
    activities_by_actor: '(clinic, actor, kind, entry_time, revision) where actor is not null',
    activities_by_caller: '(clinic, caller, kind, entry_time, revision)',
  },
  feed: 'select, insert',
  query: 'readable',
}

export const activities = defineProjection({
  name: 'activities',
  version: 1,
  types,
  tables: [table],
  apply: async (transaction, events) => {
    const rows = events.map(toRow).filter((row) => row !== undefined)
    if (rows.length === 0) return
    await sql`
      insert into activities (${sql.raw(entryColumnNames)}, kind, actor_type, actor, about_type, about, patient, detail)
      select ${sql.raw(entryColumnValues)}, r.kind, r.actor_type, r.actor, r.about_type, r.about, r.patient, r.detail
      from ${recordset(rows, rowColumns)}`.execute(transaction)
  },
})
