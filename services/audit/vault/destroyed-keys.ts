import type { Clock } from '../../kernel/clock.ts'
import type { Pseudonym } from '../vault.ts'

export interface DestroyedKeys {
  /** Those known to be destroyed, from an answer of the store that was asked for no longer ago than `ttlMs`. Rejects with what `read` throws. */
  current(): Promise<ReadonlySet<Pseudonym>> | ReadonlySet<Pseudonym>
}

export interface DestroyedKeysOptions {
  /** All destroyed ones, or none when there are just this many: a destroyed key never comes back. */
  readonly read: (known: number) => Promise<readonly Pseudonym[]>
  /** Milliseconds. */
  readonly ttlMs: number
  readonly clock: Clock
}

/**
 * Which data keys of a clinic are destroyed. One question for all of them: asking again for each key that is in use costs a busy clinic more
 * than the sealing.
 */
export const createDestroyedKeys = ({ read, ttlMs, clock }: DestroyedKeysOptions): DestroyedKeys => {
  const destroyed = new Set<Pseudonym>()
  let askedAt = clock.monotonic()
  let asking: Promise<ReadonlySet<Pseudonym>> | undefined

  const ask = async (): Promise<ReadonlySet<Pseudonym>> => {
    const asked = clock.monotonic()
    for (const pseudonym of await read(destroyed.size)) destroyed.add(pseudonym)
    askedAt = asked
    return destroyed
  }

  return {
    current: () => {
      if (clock.monotonic() - askedAt < ttlMs) return destroyed
      asking ??= ask().finally(() => {
        asking = undefined
      })
      return asking
    },
  }
}
