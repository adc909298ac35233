import t from 'tap'
import { ledgerContract } from '../../contract/ledger.ts'
import { createLedgerDatabase, openEngine } from '../../support/postgres-engine.ts'

await ledgerContract(t, 'PostgreSQL', async (t) => {
  const database = await createLedgerDatabase(t)
  // Pages smaller than what the suite writes, so that it turns them.
  const options = { pageEntries: 7, pollMs: 50 }
  return { first: openEngine(t, database, options), second: openEngine(t, database, options) }
})
