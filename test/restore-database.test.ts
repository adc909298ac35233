import pg from 'pg'
import t from 'tap'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { createLogger } from '../services/kernel/logging.ts'
import { startEmbeddedPostgres } from '../services/kernel/postgres/embedded.ts'
import { StartError } from '../services/kernel/start-error.ts'
import { restoreDatabase, restoreInto } from '../services/restore-database.ts'
import { installationToBackUp } from './support/backups.ts'
import { createTestDatabase } from './support/postgres.ts'
import { query } from './support/query.ts'
import { contentsOf } from './support/restoring.ts'
import { scratchDirectory } from './support/service.ts'

const installation = await installationToBackUp(t)
await installation.clinic('north')
await installation.write()
const parts = { masterKey: Buffer.from(installation.masterKey), logger: createLogger({ level: 'fatal' }), randomness: systemRandomness }

t.test('into a database without a schema: it is made', async (t) => {
  const database = await createTestDatabase(t)
  const { ledgers } = await restoreInto({ ...parts, backup: await installation.open(), url: database.migrateUrl })
  t.equal(ledgers.length, 2)
  t.same(await contentsOf(database), await contentsOf(installation.database))
})

t.test('a database that is in use is refused before anything is changed or waited for', async (t) => {
  const database = await createTestDatabase(t)
  const into = async () => restoreInto({ ...parts, backup: await installation.open(), url: database.migrateUrl })
  await into()
  const migrations = () =>
    query<{ name: string }>(database.adminUrl, 'select name from chartwarden_migrations.vault order by name').then((rows) =>
      rows.map(({ name }) => name),
    )
  const [forgotten, ...others] = (await migrations()).reverse()
  await query(database.adminUrl, `delete from chartwarden_migrations.vault where name = '${forgotten}'`)
  const user = new pg.Client({ connectionString: database.adminUrl })
  await user.connect()
  try {
    // Whoever waits for the table waits until the test is over.
    await user.query('begin; lock table chartwarden_ledger.entries in access exclusive mode')
    const refused = into()
    await t.rejects(refused, { name: 'StartError', message: /not empty: it holds entries/ })
    t.same((await migrations()).reverse(), others, 'a migration that is due is not applied')
  } finally {
    await user.end()
  }
})

t.test('a database that cannot be reached, or whose login may make no schema, is said to be so', async (t) => {
  const backup = await installation.open()
  const thrown = await restoreInto({ ...parts, backup, url: 'postgresql://nobody:secret@127.0.0.1:1/none' }).catch(
    (error: unknown) => error,
  )
  t.ok(thrown instanceof StartError && thrown.mayPass)
  t.notMatch(String(thrown), 'secret')
  const database = await createTestDatabase(t)
  await t.rejects(restoreInto({ ...parts, backup, url: database.queryUrl }), Error)
})

t.test('into the embedded database of a state directory, and not into one that is there', async (t) => {
  const stateDir = scratchDirectory(t, 'restored')
  const clock = systemClock
  const options = { ...parts, migrateUrl: undefined, stateDir, signing: undefined, clock }
  t.equal((await restoreDatabase({ ...options, backup: await installation.open() })).ledgers.length, 2)
  await t.rejects(restoreDatabase({ ...options, backup: await installation.open() }), { name: 'StartError', message: /not empty/ })
  const embedded = await startEmbeddedPostgres({ ...parts, stateDir, clock })
  try {
    t.same(await contentsOf(embedded), await contentsOf(installation.database))
  } finally {
    await embedded.stop()
  }
})
