import type { QueryResultRow } from 'pg'
import type { LogKeyStore, StoredLogKey } from './log-key-store.ts'
import { createVaultStatements, type VaultStatementOptions } from './vault-statements.ts'

interface KeyRow extends QueryResultRow {
  readonly id: string
  readonly wrapped_key: Buffer
  readonly public_key: Buffer
  readonly created_at: Date
}

interface ActiveRow extends KeyRow {
  readonly clinic: string
  readonly retires_at: Date | null
}

const columns = 'id, wrapped_key, public_key, created_at'

/** The functions name the clinic to row security, in the one round trip (migrations.ts): each call of them names its own. */
const statements = {
  log_keys: `select c.clinic, ${columns}, retires_at from unnest($1::text[]) as c (clinic), chartwarden_vault.log_keys(c.clinic)
    with ordinality as k (id, wrapped_key, public_key, created_at, retires_at, place) order by c.clinic, k.place`,
  put_log_key: `select ${columns} from chartwarden_vault.put_log_key($1, $2, $3, $4)`,
  activate_log_key: 'select chartwarden_vault.activate_log_key($1, $2, $3, $4)',
} as const

const storedKey = (row: KeyRow): StoredLogKey => ({
  id: row.id,
  wrapped: row.wrapped_key,
  publicKey: row.public_key,
  createdAt: row.created_at.getTime(),
})

/** Keys of logs in Postgres, beside the other keys. */
export const createPostgresLogKeyStore = (options: VaultStatementOptions): LogKeyStore => {
  const run = createVaultStatements(statements, options)
  return {
    active: async (clinics) => {
      const rows = Map.groupBy(await run<ActiveRow>('log_keys', [clinics]), ({ clinic }) => clinic)
      return new Map(
        [...rows].map(([clinic, keys]) => [clinic, keys.map((row) => ({ ...storedKey(row), retiresAt: row.retires_at?.getTime() }))]),
      )
    },
    put: async (clinic, { id, wrapped, publicKey }) => {
      const [row] = await run<KeyRow>('put_log_key', [clinic, id, wrapped, publicKey])
      return row && storedKey(row)
    },
    activate: async (clinic, id, { ordinal, retireOthersAt }) => {
      await run('activate_log_key', [clinic, id, ordinal, retireOthersAt === undefined ? null : new Date(retireOthersAt)])
    },
  }
}
