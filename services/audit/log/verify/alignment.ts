/**
 * Two rows of leaf hashes side by side as they come: of the entries that are found, and of the log. Where they part, it is looked how they
 * meet again, so that one entry taken out of a million and the rest moved up is one missing entry and not a million changed ones. The memory
 * it takes depends on the window, never on the length of the rows.
 */
import { hashLength } from '../tree-hash.ts'

/** The message of an entry's leaf; undefined: there is no entry of that revision. */
export type FoundMessage = Uint8Array | undefined

/** Of entries that follow each other. */
export interface FoundMessages {
  readonly length: number
  at(place: number): FoundMessage
}

export type Difference =
  /** Another entry, or none, stands in the place of the one in the log. */
  | {
      readonly kind: 'changed'
      readonly revision: bigint
      readonly index: bigint
      readonly found: FoundMessage
      readonly foundHash: string
      readonly loggedHash: string
    }
  /** The log has an entry that is not found there; what is found goes on behind it. */
  | { readonly kind: 'missing'; readonly index: bigint; readonly loggedHash: string }
  /** An entry is found between two that follow each other in the log. */
  | { readonly kind: 'extra'; readonly revision: bigint; readonly found: FoundMessage; readonly foundHash: string }

/** An entry found behind all that the log has, at a place that the log has: it may be missing further up. */
export interface Behind {
  readonly revision: bigint
  readonly found: FoundMessage
  readonly foundHash: string
}

export interface Alignment {
  readonly differences: readonly Difference[]
  /** Whether there are more than were kept. */
  readonly more: boolean
  /** Where something is missing and the rest has moved up. */
  readonly behind: readonly Behind[]
  /** Hashes of the log behind the last entry found: index of the first; undefined: none. */
  readonly missingFrom: bigint | undefined
}

export interface AlignmentOptions {
  /** How far apart the two rows are followed, in hashes. Default 8,192. */
  readonly window?: number
  /** Differences that are kept; behind the last one nothing is compared any more. Default 1,000. */
  readonly most?: number
}

/** Stands for an entry or hash that is not there: no entry has it. */
export const noHash = Buffer.alloc(hashLength)

const noHashKey = noHash.toString('latin1')

interface Row {
  /** Index of the first hash that waits. */
  start: bigint
  hashes: Buffer
}

const keyAt = ({ hashes }: Row, place: number): string => hashes.toString('latin1', place * hashLength, (place + 1) * hashLength)
const lengthOf = ({ hashes }: Row): number => hashes.length / hashLength
const drop = (row: Row, count: number): void => {
  row.start += BigInt(count)
  row.hashes = row.hashes.subarray(count * hashLength)
}
const add = (row: Row, hashes: Buffer): void => {
  row.hashes = row.hashes.length === 0 ? hashes : Buffer.concat([row.hashes, hashes])
}

/** First place where two rows of the same length differ. */
const firstDifference = (one: Buffer, other: Buffer): number => {
  let place = 0
  while (one.compare(other, place, place + hashLength, place, place + hashLength) === 0) place += hashLength
  return place / hashLength
}

export const createAlignment = ({ window = 8192, most = 1000 }: AlignmentOptions = {}) => {
  const found: Row = { start: 0n, hashes: Buffer.alloc(0) }
  const logged: Row = { start: 0n, hashes: Buffer.alloc(0) }
  /** Those of the first chunk that are gone are still counted in it. */
  const chunks: FoundMessages[] = []
  let gone = 0
  let skipped = 0
  const differences: Difference[] = []
  let more = false

  const messageAt = (place: number): FoundMessage => {
    let rest = gone + place
    for (const chunk of chunks) {
      if (rest < chunk.length) return chunk.at(rest)
      rest -= chunk.length
    }
    return undefined
  }

  const dropMessages = (count: number): void => {
    gone += count
    for (let [chunk] = chunks; chunk !== undefined && gone >= chunk.length; [chunk] = chunks) {
      gone -= chunk.length
      chunks.shift()
    }
  }

  const note = (difference: Difference): void => {
    if (differences.length < most) differences.push(difference)
    else more = true
  }

  /** Takes `extra` found and `missing` logged hashes away, paired as far as they can be. */
  const part = (extra: number, missing: number): void => {
    const paired = Math.min(extra, missing)
    for (let place = 0; place < Math.max(extra, missing); place += 1) {
      const revision = found.start + BigInt(place)
      const index = logged.start + BigInt(place)
      if (place < paired) {
        const [foundHash, loggedHash] = [keyAt(found, place), keyAt(logged, place)]
        if (foundHash !== loggedHash) note({ kind: 'changed', revision, index, found: messageAt(place), foundHash, loggedHash })
      } else if (extra > missing) note({ kind: 'extra', revision, found: messageAt(place), foundHash: keyAt(found, place) })
      else note({ kind: 'missing', index, loggedHash: keyAt(logged, place) })
    }
    take(extra, missing)
  }

  const take = (fromFound: number, fromLogged: number): void => {
    drop(found, fromFound)
    dropMessages(fromFound)
    drop(logged, fromLogged)
  }

  /** The cheapest way for the rows to meet again: how many of each come first. */
  const meeting = (): readonly [number, number] => {
    const [ahead, behind] = [Math.min(lengthOf(found), window), Math.min(lengthOf(logged), window)]
    const places = new Map<string, number>()
    for (let place = behind - 1; place >= 0; place -= 1) places.set(keyAt(logged, place), place)
    places.delete(noHashKey)
    let straight: number | undefined
    let shifted: readonly [number, number] | undefined
    const cost = (): number => (shifted === undefined ? Number.POSITIVE_INFINITY : shifted[0] + shifted[1])
    // Entries that changed places look like one taken out and one put in; to see them straight, it is looked a little further.
    const further = (): number => 2 * cost() + 2
    for (let place = 0; place < ahead && place <= further() && straight === undefined; place += 1) {
      const there = places.get(keyAt(found, place))
      if (there === undefined) continue
      if (there === place) straight = place
      else if (place + there < cost()) shifted = [place, there]
    }
    if (straight !== undefined) return [straight, straight]
    return shifted ?? [Math.min(ahead, behind), Math.min(ahead, behind)]
  }

  const settle = (ended: boolean): void => {
    while (!more) {
      const both = Math.min(lengthOf(found), lengthOf(logged))
      if (both === 0) break
      const bytes = both * hashLength
      const [one, other] = [found.hashes.subarray(0, bytes), logged.hashes.subarray(0, bytes)]
      if (one.equals(other)) {
        take(both, both)
        continue
      }
      const same = firstDifference(one, other)
      take(same, same)
      // One entry and no more: no need to look far.
      if (both - same > 1 && keyAt(found, 1) === keyAt(logged, 1)) {
        part(1, 1)
        continue
      }
      if (!ended && (lengthOf(found) < window || lengthOf(logged) < window)) break
      part(...meeting())
    }
    // Entries come ahead of their tiles: what lags behind by this much will not come any more.
    while (!more && lengthOf(found) === 0 && lengthOf(logged) > 2 * window) part(0, window)
    if (more) take(lengthOf(found), lengthOf(logged))
  }

  /** Entries behind the end of the log are no difference; a source sends each tile right behind its entries, so for these none will come. */
  const trim = (): void => {
    const waiting = lengthOf(found)
    if (lengthOf(logged) > 0 || waiting <= 4 * window) return
    take(waiting, 0)
    skipped += waiting
  }

  return {
    /** The next entries found: their hashes, `noHash` where there is none of a revision, and their messages. */
    found: (hashes: Buffer, messages: FoundMessages): void => {
      if (more) return
      add(found, hashes)
      chunks.push(messages)
      settle(false)
      trim()
    },
    /** The next hashes of the log. */
    logged: (hashes: Buffer): void => {
      if (more) return
      add(logged, hashes)
      const late = Math.min(skipped, lengthOf(logged))
      drop(logged, late)
      skipped -= late
      settle(false)
    },
    end: (): Alignment => {
      settle(true)
      const missing = more ? 0 : lengthOf(logged)
      const behind: Behind[] = []
      for (let place = 0; !more && missing === 0 && place < lengthOf(found) && found.start + BigInt(place) < logged.start; place += 1) {
        behind.push({ revision: found.start + BigInt(place), found: messageAt(place), foundHash: keyAt(found, place) })
      }
      return { differences, more, behind, missingFrom: missing === 0 ? undefined : logged.start }
    },
  }
}
