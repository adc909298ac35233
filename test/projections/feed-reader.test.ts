import t from 'tap'
import { numberOf, positionOf } from '../../services/audit/engines/position.ts'
import type { FeedBatch, LedgerFeed, StoredEntry } from '../../services/audit/ledger.ts'
import { createFeedReader } from '../../services/projections/feed-reader.ts'
import { waitFor } from '../support/wait-for.ts'

const never = new AbortController().signal

/** Pages of these sizes, then nothing until the signal aborts; or a fault. Counts how many were fetched. */
const feedOf = (sizes: readonly number[], fault?: Error) => {
  let fetched = 0
  const feed: LedgerFeed = {
    async *subscribe(_from, signal): AsyncGenerator<FeedBatch> {
      let last = 0
      for (const size of sizes) {
        const entries = Array.from({ length: size }, (_, place) => ({ revision: BigInt(last + place + 1) }) as StoredEntry)
        last += size
        fetched += 1
        yield { entries, position: positionOf(BigInt(last)) }
      }
      if (fault !== undefined) throw fault
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    },
    end: async () => positionOf(BigInt(sizes.reduce((sum, size) => sum + size, 0))),
    distance: (from, to) => numberOf(to) - numberOf(from),
  }
  return { feed, fetched: () => fetched }
}

const spanOf = (batch: FeedBatch | undefined) =>
  batch && [batch.entries[0]?.revision, batch.entries.at(-1)?.revision, batch.entries.length, batch.position]

t.test('full pages are read ahead while the consumer is busy, and no more than four', async (t) => {
  const { feed, fetched } = feedOf(Array.from({ length: 12 }, () => 1_000))
  const reader = createFeedReader(feed, undefined, never)
  t.same(spanOf(await reader.take(1)), [1n, 1_000n, 1_000, '1000'])
  await waitFor('four pages ahead', () => fetched() === 5)
  await new Promise(setImmediate)
  t.equal(fetched(), 5)
  t.same(spanOf(await reader.take(4_000)), [1_001n, 5_000n, 4_000, '5000'], 'put together in the order of the feed')
  await waitFor('four pages ahead', () => fetched() === 9)
  t.same(spanOf(await reader.take(100_000, positionOf(10_500n))), [5_001n, 10_500n, 5_500, '10500'], 'none is lost or comes twice')
  t.same(spanOf(await reader.take(1)), [10_501n, 11_000n, 500, '11000'], 'what was cut off comes next')
  reader.stop()
})

t.test('after a page that is not full nothing is waited for', async (t) => {
  const { feed, fetched } = feedOf([1_000, 3, 1_000])
  const reader = createFeedReader(feed, undefined, never)
  t.same(spanOf(await reader.take(4_000)), [1n, 1_003n, 1_003, '1003'])
  t.equal(fetched(), 2)
  reader.stop()
})

t.test('a fault is thrown where it stands in the feed', async (t) => {
  const { feed } = feedOf([1_000, 1_000], new Error('gone'))
  const reader = createFeedReader(feed, undefined, never)
  t.same(spanOf(await reader.take(1)), [1n, 1_000n, 1_000, '1000'])
  t.same(spanOf(await reader.take(1)), [1_001n, 2_000n, 1_000, '2000'])
  await t.rejects(reader.take(1), { message: 'gone' })
  reader.stop()
})

t.test('a reader that was stopped has nothing more than what it has read', async (t) => {
  const { feed } = feedOf([7])
  const reader = createFeedReader(feed, undefined, never)
  t.equal((await reader.take(1))?.entries.length, 7)
  const waiting = reader.take(1)
  reader.stop()
  t.equal(await waiting, undefined)
})
