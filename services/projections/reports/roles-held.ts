import { type Kysely, sql } from 'kysely'
import { type ProjectionDatabase, recordset } from '../database.ts'

/** Somebody at a moment. */
export interface HeldAt {
  /** Identifies the question in the answer. */
  readonly revision: string
  readonly subject: string
  readonly occurred_at: Date
}

/**
 * The roles granted to each person at each moment, sorted, as the entries up to `through` tell it, by the revision asked with. Who held none
 * is left out.
 */
export const rolesHeld = async (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  through: bigint,
  asked: readonly HeldAt[],
): Promise<ReadonlyMap<string, readonly string[]>> => {
  if (asked.length === 0) return new Map()
  const { rows } = await sql<{ revision: string; roles: string[] }>`
    select r.revision, array_agg(distinct g.role order by g.role) as roles
    from ${recordset(asked, 'revision bigint, subject text, occurred_at timestamptz')}
    join role_grants g on g.clinic = ${clinic} and g.subject = r.subject and g.revision <= ${String(through)}::bigint
      and g.valid_from <= r.occurred_at
      and r.occurred_at < case when g.ended_revision > ${String(through)}::bigint then coalesce(g.valid_until, 'infinity') else g.in_force_until end
    group by r.revision`.execute(db)
  return new Map(rows.map(({ revision, roles }) => [revision, roles]))
}
