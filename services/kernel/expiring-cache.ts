import { LRUCache } from 'lru-cache'
import { type Clock, systemClock } from './clock.ts'

export interface ExpiringCacheOptions {
  /** Values kept; the least recently used go first. */
  readonly max: number
  /** A value is not given out any more once it is this old, however often it was used. Milliseconds. */
  readonly ttlMs: number
  /** Defaults to the system's. */
  readonly clock?: Clock
}

/** A bounded cache whose values have an age. Undefined is no value. */
export interface ExpiringCache<Key extends string, Value> {
  get(key: Key): Value | undefined
  /** `since`: the monotonic reading from which its age counts, in milliseconds; a value that was fetched is as old as its request. */
  set(key: Key, value: Value, since?: number): void
}

/** Reads the injected clock, which this version of lru-cache's own `ttl` cannot. */
export const createExpiringCache = <Key extends string, Value>(options: ExpiringCacheOptions): ExpiringCache<Key, Value> => {
  const { max, ttlMs, clock = systemClock } = options
  // By size: `max` would set aside room for all of them at once, and there is a cache a clinic.
  const values = new LRUCache<Key, { readonly value: Value; readonly since: number }>({ maxSize: max, sizeCalculation: () => 1 })
  return {
    get: (key) => {
      const kept = values.get(key)
      if (kept === undefined) return undefined
      if (clock.monotonic() - kept.since < ttlMs) return kept.value
      values.delete(key)
      return undefined
    },
    set: (key, value, since = clock.monotonic()) => void values.set(key, { value, since }),
  }
}
