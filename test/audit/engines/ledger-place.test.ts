import t from 'tap'
import { findLedgerPlace, requireLedgerPlace } from '../../../services/audit/engines/ledger-place.ts'
import { StartError } from '../../../services/kernel/start-error.ts'
import { createIndexDatabase, openIndex } from '../../support/kurrent-index.ts'
import { change, newClinic, openClinic } from '../../support/ledger-entries.ts'
import { createLedgerDatabase, openEngine, openPool } from '../../support/postgres-engine.ts'

const refusal = async (work: Promise<void>): Promise<string> => {
  const thrown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return thrown instanceof StartError ? thrown.message : 'was not refused'
}

t.test('a database without entries may be begun with either engine', async (t) => {
  const database = await createIndexDatabase(t)
  for (const pool of [openPool(t, database.writerUrl), openPool(t, database.feedUrl)]) {
    t.equal(await findLedgerPlace(pool), undefined)
    await requireLedgerPlace(pool, 'postgres')
    await requireLedgerPlace(pool, 'kurrent')
  }
})

t.test('entries in Postgres are not begun anew in KurrentDB', async (t) => {
  const database = await createIndexDatabase(t)
  await openClinic(openEngine(t, database))
  const pool = openPool(t, database.writerUrl)
  await requireLedgerPlace(pool, 'postgres')
  t.match(await refusal(requireLedgerPlace(pool, 'kurrent')), /CHARTWARDEN_KURRENTDB_URL would begin anew/)
})

t.test('entries in KurrentDB are not begun anew in Postgres', async (t) => {
  const database = await createIndexDatabase(t)
  await openIndex(t, database).add([{ ...change(), clinic: newClinic(), revision: 0n, recordedAt: 1 }])
  const pool = openPool(t, database.writerUrl)
  await requireLedgerPlace(pool, 'kurrent')
  t.match(await refusal(requireLedgerPlace(pool, 'postgres')), /set CHARTWARDEN_KURRENTDB_URL as it was/)
})

t.test('a schema from before there was another engine is one of Postgres', async (t) => {
  const database = await createLedgerDatabase(t)
  t.equal(await findLedgerPlace(openPool(t, database.feedUrl)), 'postgres')
})
