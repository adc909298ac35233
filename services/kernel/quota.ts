/**
 * Token buckets, one for each key, kept as one number each: the moment at which the bucket is full again (the generic cell rate algorithm of
 * ITU-T I.371). What is asked for at once may be more than a bucket holds: it passes when the bucket is full, and is paid for afterwards, so
 * that a large batch is neither refused for ever nor a way around the quota.
 */
import type { Clock } from './clock.ts'

export interface Quota {
  /** Units a second on average. */
  readonly perSecond: number
  /** Units that may come at once after a quiet time, at least 1. */
  readonly burst: number
}

export interface QuotaMeter {
  /** Milliseconds until so many units of this key are within the quota; 0: now. Takes nothing. */
  waitMs(key: string, units: number): number
  /** Counts units. Call it only when `waitMs` has said 0. */
  take(key: string, units: number): void
  /** Keys that are remembered: those whose bucket was not full when it was last looked at. */
  readonly keys: number
}

/** Fewer keys than this are not worth looking through. */
const fewKeys = 1_024

/** What is left of a wait by rounding alone. */
const roundingMs = 1e-6

/** Remembers a key only while its bucket is not full, so it holds no more of them than have been let in within a moment. */
export const createQuotaMeter = ({ perSecond, burst }: Quota, clock: Clock): QuotaMeter => {
  const msPerUnit = 1_000 / perSecond
  const fullAt = new Map<string, number>()
  let lookAt = fewKeys

  const forgetFull = (now: number): void => {
    for (const [key, at] of fullAt) if (at <= now) fullAt.delete(key)
    lookAt = Math.max(fewKeys, fullAt.size * 2)
  }

  return {
    waitMs: (key, units) => {
      const missing = (fullAt.get(key) ?? 0) - clock.monotonic()
      const wait = missing - (burst - Math.min(units, burst)) * msPerUnit
      return wait < roundingMs ? 0 : wait
    },
    take: (key, units) => {
      const now = clock.monotonic()
      fullAt.set(key, Math.max(now, fullAt.get(key) ?? 0) + units * msPerUnit)
      if (fullAt.size > lookAt) forgetFull(now)
    },
    get keys() {
      return fullAt.size
    },
  }
}
