import t from 'tap'
import { ledgerModelContract } from '../../../contract/ledger-model.ts'
import { startKurrentDouble } from '../../../support/kurrent-double/double.ts'
import { openKurrentEngine } from '../../../support/kurrent-engine.ts'
import { createIndexDatabase } from '../../../support/kurrent-index.ts'

t.test('whatever is appended by whom, KurrentDB answers and holds what the model does', { timeout: 300_000 }, async (t) => {
  const { url } = await startKurrentDouble(t)
  const database = await createIndexDatabase(t)
  // No batcher stands around it, which would send again what others came before.
  const options = { contendBesideOthersMs: 20_000 }
  const engines = { first: await openKurrentEngine(t, url, database, options), second: await openKurrentEngine(t, url, database, options) }
  await ledgerModelContract(t, engines, { unit: 'clinic', numRuns: 20 })
})
