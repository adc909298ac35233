/**
 * What every ledger engine promises. An engine's test file hands in how to open it: two engines over the same ledgers, as two services
 * have them (the same one twice where there can be only one).
 */
import type { Test } from 'tap'
import type { LedgerEngine } from '../../services/audit/ledger.ts'
import { ledgerAppendContract } from './ledger-append.ts'
import { ledgerFeedContract } from './ledger-feed.ts'
import { ledgerReadContract } from './ledger-read.ts'

export interface EnginePair {
  readonly first: LedgerEngine
  readonly second: LedgerEngine
}

export type OpenEngines = (t: Test) => Promise<EnginePair>

export const ledgerContract = async (t: Test, open: OpenEngines): Promise<void> => {
  const engines = await open(t)
  await t.test('appending', (t) => ledgerAppendContract(t, engines))
  await t.test('reading', (t) => ledgerReadContract(t, engines))
  await t.test('the feed', (t) => ledgerFeedContract(t, engines))
}
