/** Who left: one row for each offboarding entry, open until the person is reinstated. What was tried meanwhile stands in the access history. */
import { sql } from 'kysely'
import { leafHashHex } from '../../audit/log/tree-hash.ts'
import { type ProjectionTransaction, recordset } from '../database.ts'
import { defineProjection, type ProjectedEvent, type ReadModelTable } from '../projection.ts'
import { flag, moment, sealedPart, subject, text, time } from './content.ts'

export interface OffboardingsTable {
  readonly clinic: string
  readonly revision: string
  readonly entry_id: string
  readonly entry_type: string
  readonly entry_time: Date
  readonly leaf_hash: Buffer
  readonly subject_type: string
  readonly subject: string
  /** Null when the calling software decided alone. */
  readonly decided_by_type: string | null
  readonly decided_by: string | null
  /** The calling software. */
  readonly caller: string
  /** When employment ended; access ended with the entry. */
  readonly effective: Date
  readonly unknown_subject: boolean
  readonly sealed: unknown
  readonly reinstated_revision: string | null
  readonly reinstated_at: Date | null
}

type Handled = ProjectedEvent<'chartwarden.staff.offboarded.v1' | 'chartwarden.staff.reinstated.v1'>

const place = ({ clinic, entry, event }: Handled) => ({ clinic, revision: String(entry.revision), time: moment(event.time) })

const offboardingRow = (projected: Handled) => {
  const { entry, event } = projected
  if (event.type !== 'chartwarden.staff.offboarded.v1') return undefined
  const { data } = event
  const who = subject(data.subject)
  const by = data.actor.subject === undefined ? undefined : subject(data.actor.subject)
  return {
    ...place(projected),
    entry_id: entry.id,
    entry_type: entry.type,
    leaf_hash: leafHashHex(entry.bytes),
    subject_type: who.type,
    subject: who.pseudonym,
    decided_by_type: by?.type ?? null,
    decided_by: by?.pseudonym ?? null,
    caller: text(event.caller),
    effective: time(data.effective),
    unknown_subject: flag(data.unknown_subject),
    sealed: sealedPart(data.sealed),
  }
}

const reinstatementRow = (projected: Handled) =>
  projected.event.type === 'chartwarden.staff.reinstated.v1'
    ? { ...place(projected), subject: subject(projected.event.data.subject).pseudonym }
    : undefined

const insertOffboardings = (transaction: ProjectionTransaction, rows: readonly object[]) =>
  sql`
  insert into offboardings (clinic, revision, entry_id, entry_type, entry_time, leaf_hash, subject_type, subject,
    decided_by_type, decided_by, caller, effective, unknown_subject, sealed)
  select r.clinic, r.revision, r.entry_id, r.entry_type, r.time, decode(r.leaf_hash, 'hex'), r.subject_type, r.subject, r.decided_by_type,
    r.decided_by, r.caller, r.effective, r.unknown_subject, r.sealed
  from ${recordset(
    rows,
    `clinic text, revision bigint, time timestamptz, entry_id uuid, entry_type text, leaf_hash text, subject_type text, subject text,
     decided_by_type text, decided_by text, caller text, effective timestamptz, unknown_subject boolean, sealed jsonb`,
  )}`.execute(transaction)

const momentColumns = 'clinic text, revision bigint, time timestamptz, subject text'

const closeReinstated = (transaction: ProjectionTransaction, rows: readonly object[]) =>
  sql`
  update offboardings o set reinstated_revision = e.reinstated_revision, reinstated_at = e.reinstated_at
  from (
    select distinct on (o.clinic, o.revision) o.clinic, o.revision, r.revision as reinstated_revision, r.time as reinstated_at
    from ${recordset(rows, momentColumns)}
    join offboardings o
      on o.clinic = r.clinic and o.subject = r.subject and o.revision < r.revision and o.reinstated_revision is null
    order by o.clinic, o.revision, r.revision
  ) e
  where o.clinic = e.clinic and o.revision = e.revision`.execute(transaction)

const table: ReadModelTable = {
  name: 'offboardings',
  columns: `
    clinic text collate "C" not null,
    revision bigint not null,
    entry_id uuid not null,
    entry_type text not null,
    entry_time timestamptz not null,
    leaf_hash bytea not null,
    subject_type text not null,
    subject text collate "C" not null,
    decided_by_type text,
    decided_by text,
    caller text not null,
    effective timestamptz not null check (isfinite(effective)),
    unknown_subject boolean not null,
    sealed jsonb,
    reinstated_revision bigint,
    reinstated_at timestamptz,
    primary key (clinic, revision)`,
  indexes: {
    offboardings_by_subject: '(clinic, subject, revision)',
  },
  feed: 'select, insert, update',
  query: 'readable',
}

/** Offboardings first, then their ends, which join by revision: a batch may hold both of one person. */
export const offboardings = defineProjection({
  name: 'offboardings',
  version: 1,
  types: ['chartwarden.staff.offboarded.v1', 'chartwarden.staff.reinstated.v1'],
  tables: [table],
  apply: async (transaction, events) => {
    const left = events.map(offboardingRow).filter((row) => row !== undefined)
    const returned = events.map(reinstatementRow).filter((row) => row !== undefined)
    if (left.length > 0) await insertOffboardings(transaction, left)
    if (returned.length > 0) await closeReinstated(transaction, returned)
  },
})
