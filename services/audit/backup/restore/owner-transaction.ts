/**
 * The one transaction of a restore. It acts as the owner of the tables, whom row security binds like everybody else but inside it: at its end
 * everything is there and the guards are as they were, or nothing of it ever was. What keeps rows from being changed or deleted stays armed.
 */
import type pg from 'pg'
import { groupRoles } from '../../../kernel/postgres/roles.ts'
import { StartError } from '../../../kernel/start-error.ts'

const guarded = [
  'chartwarden_ledger.entries',
  'chartwarden_ledger.heads',
  'chartwarden_vault.clinic_keys',
  'chartwarden_vault.identity_keys',
  'chartwarden_vault.log_keys',
  'chartwarden_vault.log_key_activations',
  'chartwarden_log.logs',
  'chartwarden_log.strips',
  'chartwarden_log.checkpoints',
  'chartwarden_log.cosignatures',
]

const rowSecurity = (mode: 'force' | 'no force'): string =>
  guarded.map((table) => `alter table ${table} ${mode} row level security`).join('; ')

/** How long it waits for a table that somebody uses: nobody should. */
const lockTimeout = '10s'

const whatIsThere = `
  select array_remove(array[
    case when exists (select from chartwarden_ledger.entries) then 'entries' end,
    case when exists (select from chartwarden_ledger.heads where clinic <> '_system') then 'ledgers' end,
    case when exists (select from chartwarden_vault.clinic_keys) or exists (select from chartwarden_vault.identity_keys) then 'keys' end,
    case when exists (select from chartwarden_log.logs) or exists (select from chartwarden_log.sealer where epoch > 0) then 'logs' end
  ], null) as found`

const notEmpty = (found: readonly string[]): StartError =>
  new StartError(
    `The database is not empty: it holds ${found.join(', ')}. A backup is restored into a database that no service has used; name another one.`,
  )

/** Whether there is the owner of a schema, and this login may act as it. */
const mayBeOwner = `
  select exists (select from pg_catalog.pg_roles where rolname = $1 and pg_catalog.pg_has_role(oid, 'member')) as may`

/**
 * For before the schema is brought up to date: throws StartError where a service has written entries already. It takes locks for reading alone,
 * so that nobody who works on the database notices. What it does not see, a schema without entries or of somebody else, is seen in the transaction.
 */
export const requireUnused = async (client: Pick<pg.ClientBase, 'query'>): Promise<void> => {
  await client.query('begin read only')
  try {
    const owner = await client.query<{ may: boolean }>(mayBeOwner, [groupRoles.owner])
    if (owner.rows[0]?.may !== true) return
    await client.query(`set local lock_timeout = '${lockTimeout}'; set local role ${groupRoles.owner}`)
    const schema = await client.query<{ there: boolean }>(`select to_regclass('chartwarden_ledger.log_head') is not null as there`)
    if (schema.rows[0]?.there !== true) return
    const used = await client.query('select from chartwarden_ledger.log_head where position > 0')
    if (used.rowCount !== 0) throw notEmpty(['entries'])
  } finally {
    await client.query('rollback').catch(() => {})
  }
}

const requireEmpty = async (client: pg.ClientBase): Promise<void> => {
  const { rows } = await client.query<{ found: readonly string[] }>(whatIsThere)
  const found = rows[0]?.found ?? []
  if (found.length > 0) throw notEmpty(found)
}

/** `client` may act as `chartwarden_owner`, over the schema of this release. Throws StartError, and changes nothing, where a service has used it. */
export const inOwnerTransaction = async <Result>(client: pg.ClientBase, work: () => Promise<Result>): Promise<Result> => {
  await client.query('begin')
  try {
    await client.query(`set local lock_timeout = '${lockTimeout}'; set local role ${groupRoles.owner}; ${rowSecurity('no force')}`)
    await requireEmpty(client)
    const result = await work()
    await client.query(rowSecurity('force'))
    await client.query('commit')
    return result
  } catch (thrown) {
    await client.query('rollback').catch(() => {})
    throw thrown
  }
}
