/**
 * How much may be under way at once so that what is let in is done in time, on a machine of whatever speed, now. By Little's law the wait is
 * what is ahead divided by what is done in a second: work that took too long tells how much ahead would not have been too much. The limit is
 * cut to that at once, and grows again by degrees while it is made use of, as congestion windows do (RFC 5681).
 */

export interface AdaptiveLimitOptions {
  /** Never less: so little takes long only when next to nothing is done at all. */
  readonly least: number
  readonly most: number
  /** To begin with. */
  readonly first: number
  /** What is let in is to be done in so many milliseconds. */
  readonly targetMs: number
}

/** Work that was under way. */
export interface DoneWork {
  readonly units: number
  /** Units under way once it was in, itself among them. */
  readonly withIt: number
  /** Readings of the monotonic clock, in milliseconds. */
  readonly began: number
  readonly ended: number
}

export interface AdaptiveLimit {
  readonly units: number
  learn(work: DoneWork): void
}

/** For each unit done in time; a limit in full use grows by as much again within four rounds. */
const growth = 0.25

/** The limit grows only while at least so much of it is in use: otherwise nothing says that more would do. */
const inUse = 0.25

export const createAdaptiveLimit = ({ least, most, first, targetMs }: AdaptiveLimitOptions): AdaptiveLimit => {
  let units = first
  let cutAt = Number.NEGATIVE_INFINITY
  return {
    get units() {
      return Math.floor(units)
    },
    learn: ({ units: done, withIt, began, ended }) => {
      const took = ended - began
      if (took <= targetMs) {
        if (withIt >= units * inUse) units = Math.min(most, units + done * growth)
        return
      }
      // What began before the last cut waited for what that has already put right; and one slow call among few says nothing of the rest.
      if (began < cutAt || withIt < least) return
      units = Math.max(least, Math.min(units, (withIt * targetMs) / took))
      cutAt = ended
    },
  }
}
