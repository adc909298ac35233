/**
 * Who held which role when: one row for each grant, ended by a revocation, by the offboarding of its holder, by the retirement of its role,
 * or by its own `until`. A role defined anew does not bring back the grants of the one retired: decisions fold grants by the same rules.
 */
import { sql } from 'kysely'
import { leafHashHex } from '../../audit/log/tree-hash.ts'
import { type ProjectionTransaction, recordset } from '../database.ts'
import { defineProjection, type ProjectedEvent, type ReadModelTable } from '../projection.ts'
import { moment, optionalTime, sealedPart, subject, text, texts, time } from './content.ts'

export interface RoleGrantsTable {
  readonly clinic: string
  /** Id of the entry that granted it. */
  readonly grant_id: string
  readonly revision: string
  readonly entry_type: string
  readonly entry_time: Date
  readonly leaf_hash: Buffer
  readonly subject_type: string
  readonly subject: string
  readonly role: string
  readonly valid_from: Date
  /** Exclusive; null: open. */
  readonly valid_until: Date | null
  /** Null when the calling software granted alone. */
  readonly grantor_type: string | null
  readonly grantor: string | null
  readonly sealed: unknown
  readonly ended_at: Date | null
  readonly ended_revision: string | null
  /** The revocation, the offboarding or the retirement; null for a grant to a former person, which never came into force. */
  readonly ended_entry_id: string | null
  /** The earlier of `valid_until` and `ended_at`; infinity when it has neither. */
  readonly in_force_until: Date
}

type Handled = ProjectedEvent<
  'chartwarden.role.granted.v1' | 'chartwarden.role.revoked.v1' | 'chartwarden.role.retired.v1' | 'chartwarden.staff.offboarded.v1'
>

const grantRow = ({ clinic, entry, event }: Handled) => {
  if (event.type !== 'chartwarden.role.granted.v1') return undefined
  const { data } = event
  const holder = subject(data.subject)
  const grantor = data.actor.subject === undefined ? undefined : subject(data.actor.subject)
  return {
    clinic,
    grant_id: entry.id,
    revision: String(entry.revision),
    entry_type: entry.type,
    entry_time: moment(event.time),
    leaf_hash: leafHashHex(entry.bytes),
    subject_type: holder.type,
    subject: holder.pseudonym,
    role: text(data.role),
    valid_from: data.from === undefined ? moment(event.time) : time(data.from),
    valid_until: optionalTime(data.until),
    grantor_type: grantor?.type ?? null,
    grantor: grantor?.pseudonym ?? null,
    sealed: sealedPart(data.sealed),
  }
}

/** One row for each grant named, or one for all grants of the person who left or of the role retired. */
const endRows = ({ clinic, entry, event }: Handled): object[] => {
  const end = {
    clinic,
    revision: String(entry.revision),
    time: moment(event.time),
    entry_id: entry.id,
    grant_id: null,
    subject: null,
    role: null,
  }
  switch (event.type) {
    case 'chartwarden.role.granted.v1':
      return []
    case 'chartwarden.role.revoked.v1':
      return texts(event.data.grant_ids).map((grantId) => ({ ...end, grant_id: grantId }))
    case 'chartwarden.role.retired.v1':
      return [{ ...end, role: text(event.data.role) }]
    case 'chartwarden.staff.offboarded.v1':
      return [{ ...end, subject: subject(event.data.subject).pseudonym }]
  }
}

/** A grant to somebody who has left and not come back gives nothing: it is kept, and over before it began. */
const insertGrants = (transaction: ProjectionTransaction, rows: readonly object[]) =>
  sql`
  insert into role_grants (clinic, grant_id, revision, entry_type, entry_time, leaf_hash, subject_type, subject, role,
    valid_from, valid_until, grantor_type, grantor, sealed, ended_at, ended_revision)
  select r.clinic, r.grant_id, r.revision, r.entry_type, r.entry_time, decode(r.leaf_hash, 'hex'), r.subject_type, r.subject, r.role,
    r.valid_from, r.valid_until, r.grantor_type, r.grantor, r.sealed,
    case when o.revision is not null then least(r.valid_from, r.entry_time) end, case when o.revision is not null then r.revision end
  from ${recordset(
    rows,
    `clinic text, grant_id uuid, revision bigint, entry_type text, entry_time timestamptz, leaf_hash text, subject_type text, subject text,
     role text, valid_from timestamptz, valid_until timestamptz, grantor_type text, grantor text, sealed jsonb`,
  )}
  left join lateral (
    select o.revision from offboardings o
    where o.clinic = r.clinic and o.subject = r.subject and o.revision < r.revision
      and (o.reinstated_revision is null or r.revision < o.reinstated_revision)
    limit 1
  ) o on true`.execute(transaction)

const endColumns = 'clinic text, revision bigint, time timestamptz, entry_id uuid, grant_id uuid, subject text, role text'

/** The first entry that ends a grant counts. Leaving and retirement end what is or would come into force; what was over is not their doing. */
const endGrants = (transaction: ProjectionTransaction, rows: readonly object[]) =>
  sql`
  with ends as (select * from ${recordset(rows, endColumns)}),
  ended as (
    select g.clinic, g.grant_id, e.revision, e.time, e.entry_id
    from ends e join role_grants g on g.clinic = e.clinic and g.grant_id = e.grant_id
    where g.revision < e.revision and g.ended_revision is null
    union all
    select g.clinic, g.grant_id, e.revision, e.time, e.entry_id
    from ends e join role_grants g on g.clinic = e.clinic and g.subject = e.subject and g.in_force_until > e.time
    where g.revision < e.revision and g.ended_revision is null
    union all
    select g.clinic, g.grant_id, e.revision, e.time, e.entry_id
    from ends e join role_grants g on g.clinic = e.clinic and g.role = e.role and g.in_force_until > e.time
    where g.revision < e.revision and g.ended_revision is null
  )
  update role_grants g set ended_at = e.time, ended_revision = e.revision, ended_entry_id = e.entry_id
  from (select distinct on (clinic, grant_id) * from ended order by clinic, grant_id, revision) e
  where g.clinic = e.clinic and g.grant_id = e.grant_id`.execute(transaction)

/** "In force at T" is `valid_from <= T < in_force_until`: one range of the index on the latter, which skips what was over by then. */
const table: ReadModelTable = {
  name: 'role_grants',
  columns: `
    clinic text collate "C" not null,
    grant_id uuid not null,
    revision bigint not null,
    entry_type text not null,
    entry_time timestamptz not null,
    leaf_hash bytea not null,
    subject_type text not null,
    subject text collate "C" not null,
    role text collate "C" not null,
    valid_from timestamptz not null check (isfinite(valid_from)),
    valid_until timestamptz check (isfinite(valid_until)),
    grantor_type text,
    grantor text,
    sealed jsonb,
    ended_at timestamptz,
    ended_revision bigint,
    ended_entry_id uuid,
    in_force_until timestamptz not null
      generated always as (least(valid_until, ended_at, 'infinity'::timestamptz)) stored,
    primary key (clinic, grant_id)`,
  indexes: {
    role_grants_in_force: '(clinic, in_force_until)',
    role_grants_by_subject: '(clinic, subject, in_force_until)',
    role_grants_ended: '(clinic, ended_revision) where ended_revision is not null',
  },
  feed: 'select, insert, update',
  query: 'readable',
}

/** Reads the rows of the offboardings read model, which therefore applies a batch before this one. */
export const roleGrants = defineProjection({
  name: 'role_grants',
  version: 1,
  types: ['chartwarden.role.granted.v1', 'chartwarden.role.revoked.v1', 'chartwarden.role.retired.v1', 'chartwarden.staff.offboarded.v1'],
  tables: [table],
  reads: ['offboardings'],
  apply: async (transaction, events) => {
    const granted = events.map(grantRow).filter((row) => row !== undefined)
    const ends = events.flatMap(endRows)
    if (granted.length > 0) await insertGrants(transaction, granted)
    if (ends.length > 0) await endGrants(transaction, ends)
  },
})
