/** What came of asking for room: had, or refused because there is not so much, or because the holder has its share. */
export type Taking = 'taken' | 'full' | 'share'

export interface FairRoom {
  readonly taken: number
  /** `limit`: how much of the room may be used now; all of it if left out. */
  take(holder: string, units: number, limit?: number): Taking
  /** Gives back what was taken. */
  give(holder: string, units: number): void
}

/**
 * Room for so many units, shared between holders without knowing how many there are: **none may hold more than is left free once it is in**,
 * except for what it takes while it holds nothing, which only needs room. A holder alone thus gets half, two get a third each, and n greedy
 * ones always leave 1/(n+1) to those that come. Where less may be used than there is, that goes for what may be used; what comes first may then
 * reach beyond it, or a large piece of work would never get in.
 */
export const createFairRoom = (units: number): FairRoom => {
  const held = new Map<string, number>()
  let taken = 0
  return {
    get taken() {
      return taken
    },
    take: (holder, wanted, limit = units) => {
      if (taken + wanted > units || taken >= limit) return 'full'
      const holds = held.get(holder) ?? 0
      if (holds > 0 && holds + wanted > limit - taken - wanted) return 'share'
      held.set(holder, holds + wanted)
      taken += wanted
      return 'taken'
    },
    give: (holder, given) => {
      const left = (held.get(holder) ?? 0) - given
      if (left > 0) held.set(holder, left)
      else held.delete(holder)
      taken -= given
    },
  }
}
