/**
 * The ledger contract on KurrentDB: over the protocol double always, over a real server where KURRENTDB_URL names one. Without the latter it is
 * proven how the engine uses the protocol, and not what a server makes of it.
 */
import t, { type Test } from 'tap'
import { ledgerContract } from '../../../contract/ledger.ts'
import { startKurrentDouble } from '../../../support/kurrent-double/double.ts'
import { openKurrentEngine } from '../../../support/kurrent-engine.ts'
import { createIndexDatabase } from '../../../support/kurrent-index.ts'

const openTwo = async (t: Test, url: string) => {
  const database = await createIndexDatabase(t)
  // Pages smaller than what the suite writes, so that it turns them; and no batcher stands around it, which would send again.
  const options = { pageEntries: 7, pollMs: 50, contendMs: 20_000, contendBesideOthersMs: 20_000 }
  return { first: await openKurrentEngine(t, url, database, options), second: await openKurrentEngine(t, url, database, options) }
}

await ledgerContract(t, 'KurrentDB, protocol double', async (t) => openTwo(t, (await startKurrentDouble(t)).url))

const url = process.env['KURRENTDB_URL']
await ledgerContract(
  t,
  'KurrentDB, real server',
  (t) => openTwo(t, url ?? ''),
  url === undefined ? 'KURRENTDB_URL is not set: what a server makes of it is not proven' : undefined,
)
