import type { CallContext } from '../../../kernel/caller.ts'
import type { Clock } from '../../../kernel/clock.ts'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { createExpiringCache } from '../../../kernel/expiring-cache.ts'

/** Decides and records that the caller reads the entries of a clinic. Throws what refuses it. */
export type RecordReading = (context: CallContext, clinic: string) => Promise<void>

export interface BundleReadingsOptions {
  readonly record: RecordReading
  readonly clock: Clock
  /** For how long what a caller fetches of a clinic is one reading, in milliseconds. Defaults to an hour. */
  readonly readingMs?: number
}

const hour = 3_600_000

/** Callers remembered; one that was forgotten is recorded once more. */
const maxCallers = 100_000

const noBody = (): undefined => undefined

/**
 * Entry bundles hold what ReadEntries shows, so fetching them is a reading of the audit trail: recorded before the first byte leaves, once an
 * hour for each caller, clinic and process, since a client fetches them by the hundred. Throws PERSON_REQUIRED for a token that reads for
 * persons: a path has no place for one.
 */
export const createBundleReadings = ({ record, clock, readingMs = hour }: BundleReadingsOptions): RecordReading => {
  const recorded = createExpiringCache<string, true>({ max: maxCallers, ttlMs: readingMs, clock })
  const underWay = new Map<string, Promise<void>>()
  return async (context, clinic) => {
    const { caller } = context
    if (caller.scopes.has('act')) {
      throw new ChartwardenError('PERSON_REQUIRED', {
        message: 'A token with scope "act" reads for a person, and entry bundles have no place to name one; use a token without it.',
      })
    }
    const key = JSON.stringify([caller.issuer, caller.id, clinic])
    for (let other = underWay.get(key); other !== undefined; other = underWay.get(key)) await other.catch(noBody)
    if (recorded.get(key)) return
    const since = clock.monotonic()
    const recording = record(context, clinic)
    underWay.set(key, recording)
    try {
      await recording
      recorded.set(key, true, since)
    } finally {
      underWay.delete(key)
    }
  }
}
