import { type RawBuilder, sql } from 'kysely'

/**
 * The flags of a row of the access history, with `disputed` where a concern stands beside its entry as of this revision. The row itself never
 * changes. In place of the column `flags`: selected after it, under the same name.
 */
export const flagsWithConcerns = (row: string, through: bigint): RawBuilder<string[]> => {
  const column = (name: string) => sql.ref(`${row}.${name}`)
  return sql<string[]>`case when exists (
      select from concerns k
      where k.clinic = ${column('clinic')} and k.about_entry_id = ${column('entry_id')} and k.kind <> 'answer'
        and k.revision <= ${String(through)}::bigint
    ) then ${column('flags')} || array['disputed'] else ${column('flags')} end`
}
