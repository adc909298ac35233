/**
 * What a summary of refusals says, and how little of it strangers can choose: of what a refused call sent, only a well-formed clinic id stands
 * as it is; caller and address become short printable ASCII. Kinds are bounded in number, so that a flood cannot make a summary grow.
 */
import { canonicalJson } from '../kernel/canonical-json.ts'
import { isClinicId } from '../kernel/clinic-id.ts'
import type { Refusal } from '../kernel/refusal.ts'

/** Refusals that are counted together. */
export interface RefusalKind {
  readonly reason: Refusal['reason']
  /** Printable ASCII without quote and backslash; empty where no token was verified. */
  readonly caller: string
  /** A clinic id, empty where none was named, or one of the fixed words, none of which is a clinic id. */
  readonly clinic: string
  readonly address: string
}

export interface CountedRefusals {
  readonly kind: RefusalKind
  readonly count: number
}

/** Refusals counted since a moment (ledger time, milliseconds since the epoch). */
export interface Tally {
  readonly since: number
  readonly counts: Map<string, CountedRefusals>
}

/** Stand in place of a clinic; parentheses keep them apart from every clinic there can be. */
const malformed = '(malformed)'
const tooMany = '(other)'
const unwritten = '(unwritten)'

const maxKinds = 100
const maxText = 128

/** Printable ASCII that JSON writes as it is, so that characters are bytes; the rest percent-encoded as UTF-8, which keeps different texts apart. */
const printable = (text: string): string =>
  text
    .slice(0, maxText)
    .toWellFormed()
    .replace(/[^ !#$&-[\]-~]/gu, (character) => encodeURIComponent(character))
    .slice(0, maxText)

const shownClinic = (clinic: string): string => (clinic === '' || isClinicId(clinic) ? clinic : malformed)

/** How a refusal is counted. */
export const kindOf = (refusal: Refusal): RefusalKind => ({
  reason: refusal.reason,
  caller: printable(refusal.caller ?? ''),
  clinic: shownClinic(refusal.clinic ?? ''),
  address: printable(refusal.address),
})

/** All that is kept of a refusal beyond the limit: one fixed kind for each reason. */
const folded = (reason: Refusal['reason'], word: string): RefusalKind => ({ reason, caller: '', clinic: word, address: '' })

export const emptyTally = (since: number): Tally => ({ since, counts: new Map() })

/** Counts; what is of too many kinds is counted by its reason alone. */
export const addTo = ({ counts }: Tally, kind: RefusalKind, count = 1): void => {
  const put = (chosen: RefusalKind): boolean => {
    const key = canonicalJson([chosen.reason, chosen.caller, chosen.clinic, chosen.address])
    const known = counts.get(key)
    if (known === undefined && counts.size >= maxKinds && chosen.clinic !== tooMany && chosen.clinic !== unwritten) return false
    counts.set(key, { kind: chosen, count: (known?.count ?? 0) + count })
    return true
  }
  if (!put(kind)) put(folded(kind.reason, tooMany))
}

/** Both together, from the earlier moment on. */
export const merged = (left: Tally, right: Tally): Tally => {
  const sum: Tally = { since: Math.min(left.since, right.since), counts: new Map(left.counts) }
  for (const { kind, count } of right.counts.values()) addTo(sum, kind, count)
  return sum
}

/** The same numbers by reason alone, for a tally that could not be written as it was. */
export const withoutDetails = ({ since, counts }: Tally): Tally => {
  const bare = emptyTally(since)
  for (const { kind, count } of counts.values()) addTo(bare, folded(kind.reason, unwritten), count)
  return bare
}

/** The rows of a summary in parts of at most so many bytes as JSON. */
export const summaryParts = ({ counts }: Tally, maxBytes: number): readonly (readonly object[])[] => {
  const parts: object[][] = [[]]
  let bytes = 0
  for (const { kind, count } of counts.values()) {
    const row = { ...kind, count }
    const size = Buffer.byteLength(canonicalJson(row), 'utf8') + 1
    if (bytes + size > maxBytes && bytes > 0) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)?.push(row)
    bytes += size
  }
  return parts
}
