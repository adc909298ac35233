/**
 * Reads for one clinic, of which one runs at a time: what is asked for meanwhile goes together into the next. However many wait for the same
 * tiles, a clinic costs one read, and no clinic can take the turns of another.
 */
import { ChartwardenError } from '../../../kernel/errors.ts'

/** The values of these keys that exist. */
export type MergedReads<Key extends string, Value> = (clinic: string, keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>

export interface MergedReadsOptions<Key extends string, Value> {
  readonly read: MergedReads<Key, Value>
  /** Callers of one clinic that wait at most. Defaults to 1,024. */
  readonly mostWaiting?: number
  /** Keys of one read; one caller's stay together. Defaults to 512. */
  readonly mostKeys?: number
}

interface Waiter<Key extends string, Value> {
  readonly keys: readonly Key[]
  readonly resolve: (found: ReadonlyMap<Key, Value>) => void
  readonly reject: (thrown: unknown) => void
}

/** Throws OVERLOADED where as many callers of the clinic wait as may; whoever waited for a read that failed gets what it threw. */
export const createMergedReads = <Key extends string, Value>(options: MergedReadsOptions<Key, Value>): MergedReads<Key, Value> => {
  const { read, mostWaiting = 1_024, mostKeys = 512 } = options
  const waiting = new Map<string, Waiter<Key, Value>[]>()

  /** The callers of the next read, the first always among them. */
  const next = (queue: Waiter<Key, Value>[]): readonly Waiter<Key, Value>[] => {
    let keys = 0
    const fit = queue.findIndex((waiter, place) => {
      keys += waiter.keys.length
      return place > 0 && keys > mostKeys
    })
    return queue.splice(0, fit === -1 ? queue.length : fit)
  }

  const run = async (clinic: string, queue: Waiter<Key, Value>[]): Promise<void> => {
    while (queue.length > 0) {
      const waiters = next(queue)
      try {
        const found = await read(clinic, [...new Set(waiters.flatMap(({ keys }) => keys))])
        for (const { resolve } of waiters) resolve(found)
      } catch (thrown) {
        for (const { reject } of waiters) reject(thrown)
      }
    }
    waiting.delete(clinic)
  }

  return (clinic, keys) =>
    new Promise((resolve, reject) => {
      const queue = waiting.get(clinic)
      if (queue !== undefined && queue.length >= mostWaiting) return reject(new ChartwardenError('OVERLOADED', { retryAfterSeconds: 1 }))
      const waiter = { keys, resolve, reject }
      if (queue !== undefined) return void queue.push(waiter)
      const begun = [waiter]
      waiting.set(clinic, begun)
      void run(clinic, begun)
    })
}
