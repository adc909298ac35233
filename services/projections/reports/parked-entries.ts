import { sql } from 'kysely'
import type { ProjectionTransaction } from '../database.ts'

/**
 * How many entries of the clinic up to a revision the projections named could not take, in this snapshot: what a report read from them may lack.
 * An entry that several of them could not take counts once.
 */
export const countParked = async (
  transaction: ProjectionTransaction,
  clinic: string,
  projections: readonly string[],
  through: bigint,
): Promise<bigint> => {
  const { rows } = await sql<{ parked: string }>`
    select count(distinct p.revision) as parked
    from chartwarden_projections.generations g join chartwarden_projections.parked p using (projection, generation)
    where g.state = 'live' and g.schema_name = any(current_schemas(false)) and g.projection = any(${projections})
      and p.clinic = ${clinic} and p.revision <= ${String(through)}::bigint`.execute(transaction)
  return BigInt(rows[0]?.parked ?? 0)
}
