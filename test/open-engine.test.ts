/** Which engine holds the ledgers, and what is refused before one is served from the wrong place. */
import t, { type Test } from 'tap'
import { createClinicGate } from '../services/kernel/clinic-gate.ts'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { migrate } from '../services/kernel/postgres/migrate.ts'
import { StartError } from '../services/kernel/start-error.ts'
import { openEngine } from '../services/open-engine.ts'
import { withReadModels } from '../services/read-models.ts'
import { schemaMigrations } from '../services/schema-migrations.ts'
import { verifyDatabase } from '../services/verify-database.ts'
import { startKurrentDouble } from './support/kurrent-double/double.ts'
import { createIndexDatabase } from './support/kurrent-index.ts'
import { appendOf, collect, decision, openClinic } from './support/ledger-entries.ts'
import { logLines } from './support/log-lines.ts'
import { createTestDatabase } from './support/postgres.ts'
import { openPool } from './support/postgres-engine.ts'
import type { TestDatabase } from './support/postgres-server.ts'

const open = async (t: Test, database: TestDatabase, kurrentUrl: string | undefined) => {
  const [writer, feed, query] = [database.writerUrl, database.feedUrl, database.queryUrl].map((url) => openPool(t, url, { max: 6 }))
  const opened = await openEngine({
    config: { kurrentUrl },
    databases: { writer: writer!, feed: feed!, query: query! },
    clock: systemClock,
    randomness: systemRandomness,
    logger: logLines().logger,
    onConflict: undefined,
  })
  t.teardown(() => opened.engine.close())
  return opened
}

const refusal = async (work: Promise<unknown>): Promise<StartError> => {
  const thrown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (thrown instanceof StartError) return thrown
  throw new Error(`it was not refused: ${String(thrown)}`)
}

t.test('the connection string decides, and what the engine writes its reader reads', async (t) => {
  const double = await startKurrentDouble(t)
  for (const url of [undefined, double.url]) {
    const { engine, createReader, maxBatchBytes } = await open(t, await createIndexDatabase(t), url)
    const clinic = await openClinic(engine)
    await engine.appendBatch([appendOf(clinic, 0n, [decision()])])
    t.equal((await collect(createReader(createClinicGate({ clock: systemClock })).read(clinic, 0n, 9n))).length, 2)
    t.equal(maxBatchBytes === undefined, url === undefined)
    t.equal(
      double.appends.some(({ stream }) => stream.endsWith(clinic)),
      url !== undefined,
    )
  }
})

t.test('ledgers are not begun anew with the other engine', async (t) => {
  const double = await startKurrentDouble(t)
  const [left, right] = [await createIndexDatabase(t), await createIndexDatabase(t)]
  await openClinic((await open(t, left, undefined)).engine)
  await openClinic((await open(t, right, double.url)).engine)
  t.match((await refusal(open(t, left, double.url))).message, /would begin anew/)
  t.match((await refusal(open(t, right, undefined))).message, /set CHARTWARDEN_KURRENTDB_URL as it was/)
})

t.test('a server that does not answer, or a user who is no administrator, is told of in one line without the password', async (t) => {
  const admin = { login: 'admin', password: 'hidden-word', groups: ['$admins'] }
  const clerk = { login: 'clerk', password: 'hidden-word', groups: [] }
  const double = await startKurrentDouble(t, { users: [admin, clerk] })
  const database = await createIndexDatabase(t)
  for (const url of [
    double.urlFor(clerk),
    double.url.replace('hidden-word', 'mistaken'),
    'kurrentdb://127.0.0.1:9?tls=false&maxDiscoverAttempts=1',
  ]) {
    const error = await refusal(open(t, database, url))
    t.match(error.message, /KurrentDB does not answer, or does not let this user in \(CHARTWARDEN_KURRENTDB_URL\)/)
    t.equal(error.mayPass, true)
    t.notMatch(JSON.stringify([error.message, String(error.cause), String((error.cause as Error).cause)]), /hidden-word|mistaken/)
  }
  await openClinic((await open(t, database, double.url)).engine)
})

t.test('commands that see the database alone say so, or go by the index', async (t) => {
  const double = await startKurrentDouble(t)
  const database = await createTestDatabase(t)
  await migrate(openPool(t, database.migrateUrl, { max: 1 }), schemaMigrations)
  await openClinic((await open(t, database, double.url)).engine)
  const { logger } = logLines()
  const environment = { DATABASE_URL: database.adminUrl }
  const reports = verifyDatabase({
    environment,
    logger,
    clinic: undefined,
    anchorsOf: () => ({ checkpoints: [], receipts: [], keys: [] }),
    anchored: [],
    onLedger: () => () => undefined,
  })
  t.match((await refusal(collect(reports))).message, /in KurrentDB, not in this database/)
  const lag = await withReadModels(environment, logger, (models) => models.status())
  t.ok(lag.projections.every(({ state }) => state === 'absent' || state === 'building'))
})
