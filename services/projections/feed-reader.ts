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
/** Pages that are asked for and not taken yet, at most: as many as one large batch, so that the next is read while that one is written. */
const pagesAhead = 4

export const createFeedReader = (feed: LedgerFeed, from: Position | undefined, signal: AbortSignal): FeedReader => {
  const stopping = new AbortController()
  const pages = feed.subscribe(from, AbortSignal.any([signal, stopping.signal]))[Symbol.asyncIterator]()
  /** In the order of the feed; only the last may be still to come. */
  const ahead: Promise<IteratorResult<FeedBatch>>[] = []
  /** Whether the last page asked for has come, and was full. */
  let more = false
  let rest: FeedBatch | undefined

  const ask = (): void => {
    more = false
    const asked = pages.next().then((result) => {
      more = result.done !== true && result.value.entries.length >= fullPage
      if (more && ahead.length < pagesAhead) ask()
      return result
    })
    // Whoever takes it is told of a fault; until then nobody is.
    asked.catch(() => {})
    ahead.push(asked)
  }

  const page = async (): Promise<FeedBatch | undefined> => {
    if (rest !== undefined) {
      const left = rest
      rest = undefined
      return left
    }
    if (ahead.length === 0) ask()
    const { done, value } = await (ahead[0] as Promise<IteratorResult<FeedBatch>>)
    ahead.splice(0, 1)
    if (more) ask()
    return done === true ? undefined : value
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
      while (batch.entries.length < enough && ahead.length > 0 && batch.position !== limit) {
        const next = await page()
        if (next === undefined) break
        const part = cut(next, limit)
        batch = { entries: [...batch.entries, ...part.entries], position: part.position }
      }
      return batch
    },
    stop: () => {
      stopping.abort()
      pages.return?.()?.catch(() => {})
    },
  }
}
