/** Which engine a database's ledgers are with: one and the same for ever, since the other would begin them anew beside what is there. */
import type { Pool } from 'pg'
import { StartError } from '../../kernel/start-error.ts'

export type LedgerPlace = 'postgres' | 'kurrent'

const hasIndex = `select to_regclass('chartwarden_kurrent.log_head') is not null as has_index`
const ends = `select (select position from chartwarden_ledger.log_head where log_id = 1) as postgres,
  (select position from chartwarden_kurrent.log_head where log_id = 1) as kurrent`

/** Undefined: there are no entries yet. A schema from before there was another engine is one of entries in PostgreSQL. The pool connects as a member of `chartwarden_writer` or `chartwarden_feed`. */
export const findLedgerPlace = async (pool: Pick<Pool, 'query'>): Promise<LedgerPlace | undefined> => {
  const { rows: found } = await pool.query<{ has_index: boolean }>(hasIndex)
  if (found[0]?.has_index !== true) return 'postgres'
  const { rows } = await pool.query<{ postgres: string; kurrent: string }>(ends)
  if (rows[0]?.kurrent !== '0') return 'kurrent'
  return rows[0].postgres === '0' ? undefined : 'postgres'
}

/** Throws StartError if the entries are not where the service is told to keep them. */
export const requireLedgerPlace = async (pool: Pick<Pool, 'query'>, told: LedgerPlace): Promise<void> => {
  const found = await findLedgerPlace(pool)
  if (found === undefined || found === told) return
  throw new StartError(
    found === 'kurrent'
      ? "The entries of this database's ledgers are in KurrentDB; set CHARTWARDEN_KURRENTDB_URL as it was."
      : 'This database holds ledgers with entries, which CHARTWARDEN_KURRENTDB_URL would begin anew; remove it, or use another database and move the clinics (docs/how-to/move-a-clinic.md).',
  )
}
