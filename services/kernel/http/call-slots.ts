import { ChartwardenError } from '../errors.ts'

const overloaded = (): ChartwardenError => new ChartwardenError('OVERLOADED', { retryAfterSeconds: 1 })

/** One call's place. */
export interface Slot {
  /** Counts it against its caller. Throws OVERLOADED when this caller has its share under way. */
  own(caller: string): void
  /** Gives the place back; safe to call twice. */
  release(): void
}

/**
 * Bounds the calls under way at once; nobody waits for a place. One caller may have a quarter of them, so that none keeps the others out
 * with streams that stay open.
 */
export const createCallSlots = (most: number): (() => Slot) => {
  const mostOfOne = Math.ceil(most / 4)
  const callers = new Map<string, number>()
  let taken = 0
  return () => {
    if (taken >= most) throw overloaded()
    taken += 1
    let owner: string | undefined
    let released = false
    return {
      own: (caller) => {
        const held = callers.get(caller) ?? 0
        if (held >= mostOfOne) throw overloaded()
        callers.set(caller, held + 1)
        owner = caller
      },
      release: () => {
        if (released) return
        released = true
        taken -= 1
        if (owner === undefined) return
        const held = (callers.get(owner) ?? 1) - 1
        if (held === 0) callers.delete(owner)
        else callers.set(owner, held)
      },
    }
  }
}
