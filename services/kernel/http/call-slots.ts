import { ChartwardenError } from '../errors.ts'

const overloaded = (): ChartwardenError => new ChartwardenError('OVERLOADED', { retryAfterSeconds: 1 })

/** One call's place. */
export interface Slot {
  /** Counts it against its caller. Throws OVERLOADED when this caller has its share under way. */
  own(caller: string, streams: boolean): void
  /** Gives the place back; safe to call twice. */
  release(): void
}

interface Held {
  calls: number
  streams: number
}

/**
 * Bounds the calls under way at once; nobody waits for a place. One caller may have a quarter of them, so that none keeps the others out,
 * and of its quarter half may be streams, so that those that stay open do not stop its own calls: there is always a place for one beside them.
 */
export const createCallSlots = (most: number): (() => Slot) => {
  const mostOfOne = Math.ceil(most / 4)
  const mostStreams = Math.max(1, Math.floor(mostOfOne / 2))
  const mostTogether = Math.max(mostOfOne, mostStreams + 1)
  const callers = new Map<string, Held>()
  let taken = 0
  return () => {
    if (taken >= most) throw overloaded()
    taken += 1
    let giveBack = (): void => undefined
    let released = false
    return {
      own: (caller, streams) => {
        const held = callers.get(caller) ?? { calls: 0, streams: 0 }
        const kind = streams ? 'streams' : 'calls'
        if (held[kind] >= (streams ? mostStreams : mostOfOne) || held.calls + held.streams >= mostTogether) throw overloaded()
        held[kind] += 1
        callers.set(caller, held)
        giveBack = () => {
          held[kind] -= 1
          if (held.calls + held.streams === 0) callers.delete(caller)
        }
      },
      release: () => {
        if (released) return
        released = true
        taken -= 1
        giveBack()
      },
    }
  }
}
