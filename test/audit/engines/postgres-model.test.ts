import t from 'tap'
import { ledgerModelContract } from '../../contract/ledger-model.ts'
import { createLedgerDatabase, openEngine } from '../../support/postgres-engine.ts'

t.test('whatever is appended by whom, Postgres answers and holds what the model does', { timeout: 300_000 }, async (t) => {
  const database = await createLedgerDatabase(t)
  const engines = { first: openEngine(t, database), second: openEngine(t, database) }
  await ledgerModelContract(t, engines, { unit: 'batch', numRuns: 60 })
})
