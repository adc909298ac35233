/** Wakes whoever waits for a checkpoint of a clinic. That it was published is only heard here; what was is looked up. */
import type { Pool } from 'pg'
import { type Changes, createChanges } from '../engines/changes.ts'
import { createWakeUp } from '../engines/postgres/wake-up.ts'
import { clinicsOf, publicationChannel } from './publication-notice.ts'

export interface Publications {
  /**
   * Looks, and again after each publication of the clinic and each halt of its log, until what it finds is enough. Rejects with what `look` throws, and with the
   * signal's reason when it aborts.
   */
  until<Found>(clinic: string, look: () => Promise<Found>, enough: (found: Found) => boolean, signal: AbortSignal): Promise<Found>
  close(): Promise<void>
}

export interface PublicationsOptions {
  /** One connection of it listens once somebody waits. */
  readonly pool: Pool
  /** Milliseconds after which whoever waits looks for himself. Defaults to 1,000. */
  readonly pollMs?: number
}

interface Place {
  readonly changes: Changes
  waiters: number
}

export const createPublications = ({ pool, pollMs = 1_000 }: PublicationsOptions): Publications => {
  const waiting = new Map<string, Place>()
  const announce = (payload?: string): void => {
    if (payload === undefined) for (const { changes } of waiting.values()) changes.announce()
    else for (const clinic of clinicsOf(payload)) waiting.get(clinic)?.changes.announce()
  }
  const wakeUp = createWakeUp({ pool, channel: publicationChannel, onWake: announce, retryMs: pollMs })

  return {
    async until(clinic, look, enough, signal) {
      wakeUp.start()
      const place = waiting.get(clinic) ?? { changes: createChanges(), waiters: 0 }
      waiting.set(clinic, place)
      place.waiters += 1
      try {
        while (true) {
          signal.throwIfAborted()
          const mark = place.changes.mark()
          const found = await look()
          if (enough(found)) return found
          await place.changes.after(mark, pollMs, signal)
        }
      } finally {
        place.waiters -= 1
        if (place.waiters === 0) waiting.delete(clinic)
      }
    },
    close: () => wakeUp.close(),
  }
}
