/**
 * Where appends wait for the statement in flight. Each clinic has its own line, in order; clinics take turns, one append each. The rule that
 * keeps one clinic from filling the queue: **a clinic may hold no more than is left free once its append is in** (of entries and of bytes),
 * except for its first append, which only needs room. A clinic alone thus gets half, two get a third each, and n busy ones always leave
 * 1/(n+1) to those that come. Appends put back were accepted before and are not counted against the rule again.
 */
import type { Append, AppendOutcome } from './ledger.ts'

export interface Queued {
  readonly append: Append
  readonly bytes: number
  /** Reading of the monotonic clock when it was accepted, in milliseconds. */
  readonly queuedAt: number
  readonly resolve: (outcome: AppendOutcome) => void
  readonly reject: (fault: unknown) => void
}

export interface QueueLimits {
  readonly entries: number
  readonly bytes: number
}

interface Line {
  readonly waiting: Queued[]
  entries: number
  bytes: number
}

export interface AppendQueue {
  readonly entries: number
  readonly bytes: number
  isEmpty(): boolean
  /** False if there is no room, or the clinic holds its share. */
  offer(queued: Queued): boolean
  /** Puts appends back to the front of their clinics' lines, and those clinics' turns first. */
  putBack(queued: readonly Queued[]): void
  /**
   * Takes what the next statement carries: turn by turn, never more than the limits unless a single append is larger. Appends that `drop`
   * says are answered already cost neither room nor turn. A clinic whose next append does not fit has the first turn of the next statement.
   */
  take(limits: QueueLimits, drop: (queued: Queued) => boolean): Queued[]
}

/** Entries and bytes an append occupies. */
export const bytesOf = (append: Append): number => append.entries.reduce((sum, entry) => sum + entry.bytes.length, 0)

export const createAppendQueue = (room: QueueLimits): AppendQueue => {
  const lines = new Map<string, Line>()
  /** Clinics with a line, in the order of their turns. */
  let turns: string[] = []
  let entries = 0
  let bytes = 0

  const count = (line: Line, queued: Queued, sign: 1 | -1): void => {
    line.entries += sign * queued.append.entries.length
    line.bytes += sign * queued.bytes
    entries += sign * queued.append.entries.length
    bytes += sign * queued.bytes
  }

  const hasRoom = (queued: Queued): boolean => {
    const freeEntries = room.entries - entries - queued.append.entries.length
    const freeBytes = room.bytes - bytes - queued.bytes
    if (freeEntries < 0 || freeBytes < 0) return false
    const line = lines.get(queued.append.clinic)
    return !line || (line.entries + queued.append.entries.length <= freeEntries && line.bytes + queued.bytes <= freeBytes)
  }

  const removeFirst = (line: Line): Queued => {
    const queued = line.waiting.shift() as Queued
    count(line, queued, -1)
    return queued
  }

  return {
    get entries() {
      return entries
    },
    get bytes() {
      return bytes
    },
    isEmpty: () => turns.length === 0,
    offer(queued) {
      if (!hasRoom(queued)) return false
      const { clinic } = queued.append
      let line = lines.get(clinic)
      if (!line) {
        line = { waiting: [], entries: 0, bytes: 0 }
        lines.set(clinic, line)
        turns.push(clinic)
      }
      line.waiting.push(queued)
      count(line, queued, 1)
      return true
    },
    putBack(returned) {
      const first = new Set<string>()
      for (const queued of returned.toReversed()) {
        const { clinic } = queued.append
        const line = lines.get(clinic) ?? { waiting: [], entries: 0, bytes: 0 }
        lines.set(clinic, line)
        line.waiting.unshift(queued)
        count(line, queued, 1)
        first.add(clinic)
      }
      turns = [...[...first].reverse(), ...turns.filter((clinic) => !first.has(clinic))]
    },
    take(limits, drop) {
      const taken: Queued[] = []
      const held: string[] = []
      let takenEntries = 0
      let takenBytes = 0
      let next = 0
      while (next < turns.length && takenEntries < limits.entries && takenBytes < limits.bytes) {
        const clinic = turns[next] as string
        const line = lines.get(clinic) as Line
        next += 1
        while (line.waiting[0] && drop(line.waiting[0])) removeFirst(line)
        const first = line.waiting[0]
        if (first) {
          const fits = takenEntries + first.append.entries.length <= limits.entries && takenBytes + first.bytes <= limits.bytes
          if (!fits && taken.length > 0) {
            held.push(clinic)
            continue
          }
          taken.push(removeFirst(line))
          takenEntries += first.append.entries.length
          takenBytes += first.bytes
        }
        if (line.waiting.length === 0) lines.delete(clinic)
        else turns.push(clinic)
      }
      turns = [...held, ...turns.slice(next)]
      return taken
    },
  }
}
