/** Reads the ledger from beside the service, as the database's superuser. */
import pg from 'pg'
import type { Logged } from './account.ts'

export interface LedgerFacts {
  readonly logged: readonly Logged[]
  /** Revisions of any clinic and positions of the log that no entry has. */
  readonly gaps: number
}

const loggedQuery = `
  select clinic, id, revision, recorded_at,
    case when type = 'chartwarden.access.decided.v1' then convert_from(bytes, 'UTF8')::json -> 'data' ->> 'decision' end as decision
  from chartwarden_ledger.entries where type in ('chartwarden.access.decided.v1', 'chartwarden.staff.enrolled.v1')`

const gapsQuery = `
  select (
    (select coalesce(sum(missing), 0) from (select max(revision) + 1 - count(*) as missing from chartwarden_ledger.entries group by clinic) as revisions)
    + (select max(h.position) - count(e.position) from chartwarden_ledger.log_head h left join chartwarden_ledger.entries e using (log_id) where log_id = 1)
  )::int as gaps`

interface LoggedRow {
  readonly clinic: string
  readonly id: string
  readonly revision: string
  readonly recorded_at: string
  readonly decision: 'permit' | 'deny' | null
}

/** `before`: identifiers of entries that answer no question of the load. */
export const readLedger = async (adminUrl: string, before: ReadonlySet<string> = new Set()): Promise<LedgerFacts> => {
  const client = new pg.Client({ connectionString: adminUrl })
  await client.connect()
  try {
    const { rows } = await client.query<LoggedRow>(loggedQuery)
    const { rows: found } = await client.query<{ readonly gaps: number }>(gapsQuery)
    const logged = rows
      .filter(({ id }) => !before.has(id))
      .map(({ clinic, id, revision, recorded_at, decision }) => ({
        clinic,
        id,
        revision: BigInt(revision),
        decision: decision ?? undefined,
        recordedAt: Number(recorded_at),
      }))
    return { logged, gaps: found[0]?.gaps ?? 0 }
  } finally {
    await client.end()
  }
}
