/** Promise 1 down to the disk: whoever is answered has waited for a sync of the write-ahead log. */
import t, { type Test } from 'tap'
import { checkDatabase } from '../../services/kernel/postgres/settings.ts'
import { ownTestServer } from '../support/postgres.ts'
import { openPool } from '../support/postgres-engine.ts'
import type { TestDatabase } from '../support/postgres-server.ts'
import { countSyncs, type SyncCount } from './wal-syncs.ts'

t.setTimeout(280_000)

const answers = 100

const count = async (database: TestDatabase, oneAtATime = true): Promise<SyncCount> =>
  countSyncs({ database, what: 'appends', answers, oneAtATime })

/** What production says of it at a start. */
const production = async (t: Test, database: TestDatabase): Promise<void> => {
  const logger = { warn: () => {} }
  await checkDatabase(openPool(t, database.writerUrl), { mode: 'production', role: 'writer', logger })
}

t.test('each answer to a lone caller costs a sync, and answers given together share one', async (t) => {
  const server = await ownTestServer(t)
  const alone = await count(await server.createDatabase())
  t.equal(alone.statements, answers)
  t.ok(alone.syncs >= answers, `${alone.syncs} syncs for ${answers} answers`)
  const together = await count(await server.createDatabase(), false)
  t.ok(together.statements < answers)
  t.ok(together.syncs >= together.statements, `${together.syncs} syncs for ${together.statements} statements`)
  await t.resolves(production(t, await server.createDatabase()))
})

t.test('sabotage: with fsync=off the same answers come without a sync, and production refuses to start', async (t) => {
  const server = await ownTestServer(t, { settings: { fsync: 'off' } })
  const { syncs, statements } = await count(await server.createDatabase())
  t.equal(statements, answers)
  t.equal(syncs, 0)
  await t.rejects(production(t, await server.createDatabase()), /fsync=off and would lose acknowledged entries/)
})
