import type { Pool, QueryConfig, QueryResultRow } from 'pg'
import { ChartwardenError } from '../../kernel/errors.ts'

export interface VaultStatementOptions {
  /** Connects as a member of `chartwarden_writer`. Ended by whoever made it. */
  readonly pool: Pool
  /** After which a statement without an answer is given up. Milliseconds, default 10,000. */
  readonly answerTimeoutMs?: number
}

/**
 * Runs these statements, by their names, of schema `chartwarden_vault`. Faults of the database are LEDGER_UNAVAILABLE with their cause:
 * without keys no entry and no signature is made.
 */
export const createVaultStatements =
  <Name extends string>(statements: Readonly<Record<Name, string>>, { pool, answerTimeoutMs = 10_000 }: VaultStatementOptions) =>
  async <Row extends QueryResultRow>(name: Name, values: unknown[]): Promise<Row[]> => {
    // Named, so that each connection plans it once. The driver takes the limit with the statement; its types do not know.
    const statement: QueryConfig = Object.assign(
      { name: `chartwarden_vault_${name}`, text: statements[name], values },
      { query_timeout: answerTimeoutMs },
    )
    try {
      return (await pool.query<Row>(statement)).rows
    } catch (cause) {
      throw new ChartwardenError('LEDGER_UNAVAILABLE', { cause })
    }
  }
