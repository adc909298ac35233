import type { Pool, QueryConfig, QueryResultRow } from 'pg'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { SnapshotStore } from '../snapshot-store.ts'

export interface PostgresSnapshotStoreOptions {
  /** Connects as a member of `chartwarden_writer`. Ended by whoever made it. */
  readonly pool: Pool
  /** After which a statement without an answer is given up. Milliseconds, default 10,000. */
  readonly answerTimeoutMs?: number
}

interface SnapshotRow extends QueryResultRow {
  readonly format: number
  readonly state_revision: string
  readonly sealed: Buffer
}

/** The functions name the clinic to row security, in the one round trip (migrations.ts). */
const statements = {
  read: 'select format, state_revision, sealed from chartwarden_snapshot.read_state($1)',
  write: 'select chartwarden_snapshot.write_state($1, $2, $3, $4, $5, $6) as kept',
} as const

/** Snapshots in Postgres, schema `chartwarden_snapshot`. Faults of the database are LEDGER_UNAVAILABLE with their cause. */
export const createPostgresSnapshotStore = ({ pool, answerTimeoutMs = 10_000 }: PostgresSnapshotStoreOptions): SnapshotStore => {
  const run = async <Row extends QueryResultRow>(name: keyof typeof statements, values: unknown[]): Promise<Row | undefined> => {
    // Named, so that each connection plans it once. The driver takes the limit with the statement; its types do not know.
    const statement: QueryConfig = Object.assign(
      { name: `chartwarden_snapshot_${name}`, text: statements[name], values },
      { query_timeout: answerTimeoutMs },
    )
    try {
      return (await pool.query<Row>(statement)).rows[0]
    } catch (cause) {
      throw new ChartwardenError('LEDGER_UNAVAILABLE', { cause })
    }
  }
  return {
    read: async (clinic) => {
      const row = await run<SnapshotRow>('read', [clinic])
      return row && { format: row.format, stateRevision: BigInt(row.state_revision), sealed: row.sealed }
    },
    write: async (clinic, { format, stateRevision, sealed }, instead) => {
      const values = [clinic, format, stateRevision, sealed, instead?.format ?? null, instead?.stateRevision ?? null]
      return (await run<{ readonly kept: boolean }>('write', values))?.kept === true
    },
  }
}
