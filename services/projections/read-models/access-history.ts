/**
 * Who viewed what, when and why: one row for each decision and each recorded access. Rows are written once and never change, so that pages
 * of a report stay complete while new rows arrive.
 */
import { sql } from 'kysely'
import type { AccessDecided, AccessRecorded } from '../../access/events.ts'
import { leafHashHex } from '../../audit/log/tree-hash.ts'
import { recordset } from '../database.ts'
import { inParts } from '../in-parts.ts'
import { defineProjection, type ProjectedEvent, type ReadModelTable } from '../projection.ts'
import { moment, oneOf, optionalText, sealedPart, subject, text, texts, time } from './content.ts'

/** A permit was given; the software reported that it opened the record; a deny was given; only asked. */
export const accessKinds = ['authorised', 'performed', 'refused', 'probed'] as const
export type AccessKind = (typeof accessKinds)[number]

export interface AccessHistoryTable {
  readonly clinic: string
  readonly revision: string
  readonly entry_id: string
  readonly entry_type: string
  readonly entry_time: Date
  readonly recorded_at: Date
  readonly leaf_hash: Buffer
  readonly kind: AccessKind
  /** For a decision the entry's time. */
  readonly occurred_at: Date
  readonly subject_type: string
  readonly subject: string
  readonly action: string
  readonly resource_type: string
  readonly patient: string | null
  readonly purpose: string
  readonly reason_code: string
  readonly rule: string
  readonly caller: string
  /** Those of the entry, and `administrative`, `after_exit`. */
  readonly flags: string[]
  readonly decision: 'permit' | 'deny' | null
  readonly decision_entry_id: string | null
  /** In force for the subject at the decision, sorted; empty for an access that was recorded. */
  readonly roles: string[]
  /** Of a decision about an administrative, sharing or reporting call; null for an access of a record. */
  readonly operation: string | null
  /** Permitted by emergency access. */
  readonly emergency: boolean
  readonly sealed: unknown
}

type AccessEvent = ProjectedEvent<'chartwarden.access.decided.v1' | 'chartwarden.access.recorded.v1'>

const kindOf = (data: AccessDecided): AccessKind => {
  if (oneOf(['access', 'probe'], data.intent) === 'probe') return 'probed'
  return oneOf(['permit', 'deny'], data.decision) === 'permit' ? 'authorised' : 'refused'
}

/** The decision about an administrative call is no access of a record: it stands here under its own type (`staff_account`, …), and marked. */
const decidedColumns = (data: AccessDecided, entryTime: string) => ({
  kind: kindOf(data),
  occurred_at: entryTime,
  reason_code: text(data.reason_code),
  rule: text(data.rule),
  flags: data.operation === undefined ? [] : ['administrative'],
  decision: oneOf(['permit', 'deny'], data.decision),
  decision_entry_id: null,
  roles: texts(data.roles),
  operation: optionalText(data.operation),
  emergency: data.decision === 'permit' && data.overrode !== undefined,
})

const recordedColumns = (data: AccessRecorded) => ({
  kind: 'performed' satisfies AccessKind,
  occurred_at: time(data.occurred_at),
  reason_code: '',
  rule: '',
  flags: texts(data.flags),
  decision: null,
  decision_entry_id: optionalText(data.decision_entry_id),
  roles: [],
  operation: null,
  emergency: false,
})

const toRow = ({ clinic, entry, event }: AccessEvent) => {
  const { data } = event
  const who = subject(data.subject)
  const entryTime = moment(event.time)
  return {
    clinic,
    revision: String(entry.revision),
    entry_id: entry.id,
    entry_type: entry.type,
    entry_time: entryTime,
    recorded_at: moment(entry.recordedAt),
    leaf_hash: leafHashHex(entry.bytes),
    subject_type: who.type,
    subject: who.pseudonym,
    action: text(data.action),
    resource_type: text(data.resource_type),
    patient: optionalText(data.patient),
    purpose: text(data.purpose),
    caller: text(event.caller),
    sealed: sealedPart(data.sealed),
    ...(event.type === 'chartwarden.access.decided.v1' ? decidedColumns(event.data, entryTime) : recordedColumns(event.data)),
  }
}

const rowColumns = `clinic text, revision bigint, entry_id uuid, entry_type text, entry_time timestamptz, recorded_at timestamptz, leaf_hash text,
  kind text, occurred_at timestamptz, subject_type text, subject text, action text, resource_type text, patient text, purpose text,
  reason_code text, rule text, caller text, flags text[], decision text, decision_entry_id uuid,
  roles text[], operation text, emergency boolean, sealed jsonb`

/**
 * Each index ends in the order of the report and has the kind before it: a query merges one scan a kind, so that probes, which are many and
 * rarely asked for, cost the other kinds nothing.
 */
const table: ReadModelTable = {
  name: 'access_history',
  columns: `
    clinic text collate "C" not null,
    revision bigint not null,
    entry_id uuid not null,
    entry_type text not null,
    entry_time timestamptz not null,
    recorded_at timestamptz not null,
    leaf_hash bytea not null,
    kind text collate "C" not null check (kind in ('authorised', 'performed', 'refused', 'probed')),
    occurred_at timestamptz not null check (isfinite(occurred_at)),
    subject_type text not null,
    subject text collate "C" not null,
    action text not null,
    resource_type text not null,
    patient text collate "C",
    purpose text not null,
    reason_code text not null,
    rule text not null,
    caller text not null,
    flags text[] not null,
    decision text check (decision in ('permit', 'deny')),
    decision_entry_id uuid,
    roles text[] not null,
    operation text,
    emergency boolean not null,
    sealed jsonb,
    primary key (clinic, revision)`,
  indexes: {
    access_history_by_time: '(clinic, kind, occurred_at, revision)',
    access_history_by_patient: '(clinic, patient, kind, occurred_at, revision) where patient is not null',
    access_history_by_subject: '(clinic, subject, kind, occurred_at, revision)',
  },
  feed: 'select, insert',
  query: 'readable',
}

/**
 * The flag `after_exit`: a decision whose entry follows the offboarding, or an access that took place after it, however late it was recorded.
 * Reads the rows of the offboardings read model, which therefore applies a batch before this one.
 */
export const accessHistory = defineProjection({
  name: 'access_history',
  version: 2,
  types: ['chartwarden.access.decided.v1', 'chartwarden.access.recorded.v1'],
  tables: [table],
  reads: ['offboardings'],
  independent: true,
  apply: async (transaction, events) => {
    const insert = (part: readonly AccessEvent[]) => sql`
      insert into access_history (
        clinic, revision, entry_id, entry_type, entry_time, recorded_at, leaf_hash, kind, occurred_at, subject_type, subject, action,
        resource_type, patient, purpose, reason_code, rule, caller, flags, decision, decision_entry_id, roles, operation,
        emergency, sealed)
      select r.clinic, r.revision, r.entry_id, r.entry_type, r.entry_time, r.recorded_at, decode(r.leaf_hash, 'hex'), r.kind, r.occurred_at,
        r.subject_type, r.subject, r.action, r.resource_type, r.patient, r.purpose, r.reason_code, r.rule, r.caller,
        case when exists (
          select from offboardings o
          where o.clinic = r.clinic and o.subject = r.subject and o.revision < r.revision
            and case when r.kind = 'performed'
              then r.occurred_at >= o.entry_time
                and (o.reinstated_revision is null or r.revision < o.reinstated_revision or r.occurred_at < o.reinstated_at)
              else o.reinstated_revision is null or r.revision < o.reinstated_revision end
        ) then r.flags || array['after_exit'] else r.flags end,
        r.decision, r.decision_entry_id, r.roles, r.operation, r.emergency, r.sealed
      from ${recordset(part.map(toRow), rowColumns)}`
    await inParts(events, insert, (statement) => statement.execute(transaction))
  },
})
