/**
 * During an upgrade replicas of two releases use one database. What the last release relies on is read from the schema it made, and must
 * still be there when the migrations since then have run; a contract, which takes away, is the only exception and says so in its name.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { type MigrationSet, migrate } from '../../services/kernel/postgres/migrate.ts'
import { isContract } from '../../services/kernel/postgres/schema-version.ts'
import { schemaMigrations } from '../../services/schema-migrations.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { openPool } from '../support/postgres-engine.ts'
import { brokenPromises, readSchemaFacts } from '../support/schema-facts.ts'

/** Names by set, extended with each release. */
const released = JSON.parse(readFileSync(new URL('../golden/schema/released-migrations.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, readonly string[]>
>

const asReleased: readonly MigrationSet[] = schemaMigrations.map(({ name, migrations }) => ({
  name,
  migrations: migrations.filter((migration) => released[name]?.includes(migration.name)),
}))

t.test('released migrations keep their names and their order', async (t) => {
  for (const { name, migrations } of schemaMigrations) {
    const names = migrations.map((migration) => migration.name)
    const known = released[name] ?? []
    t.same(names.slice(0, known.length), known, name)
    t.same([...names].sort(), names, 'applied in the order of their names')
  }
})

t.test('the last release works on with the schema of this one', async (t) => {
  const contracts = schemaMigrations.flatMap(({ name, migrations }) =>
    migrations.flatMap((migration) => (isContract(migration.name) && !released[name]?.includes(migration.name) ? [migration.name] : [])),
  )
  const database = await createTestDatabase(t)
  const owner = openPool(t, database.migrateUrl)
  const superuser = openPool(t, database.adminUrl)
  await migrate(owner, asReleased)
  const before = await readSchemaFacts(superuser)
  await migrate(owner, schemaMigrations)
  const faults = brokenPromises(before, await readSchemaFacts(superuser))
  if (contracts.length === 0) t.same(faults, [])
  else t.comment(`contracts end the last release: ${contracts.join(', ')}`)
})

const twins: Readonly<Record<string, readonly [statement: string, fault: RegExp]>> = {
  'a column that is dropped': ['alter table chartwarden_snapshot.states drop column written_at', /^gone: column .*states\.written_at/],
  'a column that is renamed': ['alter table chartwarden_snapshot.states rename written_at to at', /^gone: column .*states\.written_at/],
  'a column of another type': [
    'alter table chartwarden_snapshot.states alter format type bigint',
    /^changed: column .*states\.format: integer/,
  ],
  'a column that must be filled': [
    'alter table chartwarden_snapshot.states add column size bigint not null',
    /^new column that the older release does not fill/,
  ],
  'a column that is needed from now on': [
    'alter table chartwarden_vault.identity_keys alter wrapped_key set not null',
    /^changed: column .*wrapped_key/,
  ],
  'a rule on what may be written': [
    `alter table chartwarden_snapshot.states add check (length(clinic) < 10)`,
    /^new rule on a table in use/,
  ],
  'a function that is gone': [
    'drop function chartwarden_snapshot.read_state(text)',
    /^gone: (function|grant EXECUTE on) chartwarden_snapshot\.read_state/,
  ],
  'a right that is taken': [
    'revoke select on chartwarden_ledger.heads from chartwarden_feed',
    /^gone: grant SELECT on chartwarden_ledger\.heads/,
  ],
  'a table that is dropped': ['drop table chartwarden_snapshot.states cascade', /^gone: column .*states/],
}

t.test('twin: a step that breaks the last release is seen, and one that only adds breaks nothing', async (t) => {
  const database = await createTestDatabase(t)
  await migrate(openPool(t, database.migrateUrl), asReleased)
  const client = await openPool(t, database.adminUrl).connect()
  t.teardown(() => client.release())
  const before = await readSchemaFacts(client)
  const faultsAfter = async (statements: string): Promise<readonly string[]> => {
    await client.query(`begin; ${statements}`)
    const faults = brokenPromises(before, await readSchemaFacts(client))
    await client.query('rollback')
    return faults
  }
  for (const [what, [statement, fault]] of Object.entries(twins)) {
    const faults = await faultsAfter(statement)
    t.ok(
      faults.some((found) => fault.test(found)),
      `${what}: ${faults.join('; ')}`,
    )
  }
  const adding = `alter table chartwarden_snapshot.states add column size bigint, add column kind text not null default '';
    create table chartwarden_snapshot.more (clinic text primary key)`
  t.same(await faultsAfter(adding), [])
})
