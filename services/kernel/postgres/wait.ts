import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../clock.ts'

const pollMs = 20

/** Whether the condition came true within the time; looks every 20 ms, and at least once. */
export const waitUntil = async (
  condition: () => boolean,
  options: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<boolean> => {
  const end = options.clock.monotonic() + options.timeoutMs
  while (!condition()) {
    if (options.clock.monotonic() >= end) return false
    await delay(pollMs)
  }
  return true
}

/** Whether the promise settled within the time. A rejection is passed on. */
export const settlesWithin = async (promise: Promise<unknown>, timeoutMs: number): Promise<boolean> => {
  const abort = new AbortController()
  try {
    return await Promise.race([promise.then(() => true), delay(timeoutMs, false, { signal: abort.signal }).catch(() => false)])
  } finally {
    abort.abort()
  }
}
