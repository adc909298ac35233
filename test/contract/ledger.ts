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

/** Says which engine it runs on, or why it does not (`skip`), so that a run tells what it proved. */
export const ledgerContract = async (t: Test, engine: string, open: OpenEngines, skip?: string): Promise<void> => {
  await t.test(`the ledger contract on ${engine}`, { skip: skip ?? false }, async (t) => {
    const engines = await open(t)
    t.comment(`ledger contract: ran on ${engine}`)
    await t.test('appending', (t) => ledgerAppendContract(t, engines))
    await t.test('reading', (t) => ledgerReadContract(t, engines))
    await t.test('the feed', (t) => ledgerFeedContract(t, engines))
  })
}
