import type { FeedBatch, LedgerFeed, Position } from '../audit/ledger.ts'

/** Reads the feed ahead of its consumer and cuts it where it is told to. */
export interface FeedReader {
  /**
   * What comes next, waiting if there is nothing, up to and including the place `limit`; undefined once the reader was stopped. Batches are
   * put together until they hold `enough` entries, as long as more are known to be there.
   */
  take(enough: number, limit?: Position): Promise<FeedBatch | undefined>
  stop(): void
}

/** A page as large as this suggests that the next one is full as well. */
const fullPage = 500

export const createFeedReader = (feed: LedgerFeed, from: Position | undefined, signal: AbortSignal): FeedReader => {
  const stopping = new AbortController()
  const pages = feed.subscribe(from, AbortSignal.any([signal, stopping.signal]))[Symbol.asyncIterator]()
  let pending: Promise<IteratorResult<FeedBatch>> | undefined
  let rest: FeedBatch | undefined

  const page = async (): Promise<FeedBatch | undefined> => {
    if (rest !== undefined) {
      const left = rest
      rest = undefined
      return left
    }
    const { done, value } = await (pending ?? pages.next())
    pending = undefined
    if (done === true) return undefined
    if (value.entries.length >= fullPage) {
      // Read while the consumer writes. Whoever takes it is told of a fault; until then nobody is.
      pending = pages.next()
      pending.catch(() => {})
    }
    return value
  }

  /** The part up to the limit; the rest waits. A page may hold entries from before its beginning, so the cut is counted from its end. */
  const cut = (batch: FeedBatch, limit: Position | undefined): FeedBatch => {
    const beyond = limit === undefined ? 0 : Number(feed.distance(limit, batch.position))
    if (limit === undefined || beyond <= 0) return batch
    const kept = Math.max(0, batch.entries.length - beyond)
    rest = { entries: batch.entries.slice(kept), position: batch.position }
    return { entries: batch.entries.slice(0, kept), position: limit }
  }

  return {
    take: async (enough, limit) => {
      const first = await page()
      if (first === undefined) return undefined
      let batch = cut(first, limit)
      while (batch.entries.length < enough && pending !== undefined && batch.position !== limit) {
        const next = await page()
        if (next === undefined) break
        const more = cut(next, limit)
        batch = { entries: [...batch.entries, ...more.entries], position: more.position }
      }
      return batch
    },
    stop: () => {
      stopping.abort()
      pages.return?.()?.catch(() => {})
    },
  }
}
