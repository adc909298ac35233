/**
 * The verdicts on one clinic's appends of a batch, by the rules of the reference model (../memory.ts), from what the index knows. They hold if
 * the stream ends where the index does: whoever stores what is to be stored proves that by the revision it is stored behind.
 */
import type { Append, NewEntry } from '../../ledger.ts'
import { noState } from '../../ledger.ts'
import type { Known } from './ledger-index.ts'

export type Verdict =
  /** `stateRevision` as it is after this append. */
  | { readonly kind: 'store'; readonly revisions: readonly bigint[]; readonly stateRevision: bigint }
  /** Revisions of the originals, in the order asked. */
  | { readonly kind: 'duplicate'; readonly revisions: readonly bigint[] }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'moved' }
  | { readonly kind: 'stale' }
  | { readonly kind: 'again' }

export interface Judgement {
  /** In the order of the appends. */
  readonly verdicts: readonly Verdict[]
  /** Of the appends to be stored, in order; they go behind `known.revision`. */
  readonly entries: readonly NewEntry[]
  /** When the first of those appends stops holding, by the ledger's clock; Infinity: never. */
  readonly notAfter: number
  /** Once they are stored. */
  readonly stateRevision: bigint
}

/** `time`: the ledger's own clock, milliseconds since the epoch. */
export const judge = (appends: readonly Append[], known: Known, time: number): Judgement => {
  const named = new Set<string>()
  const entries: NewEntry[] = []
  let stateRevision = known.stateRevision
  let earliest = Number.POSITIVE_INFINITY

  const verdictOf = ({ entries: own, restsOn, notAfter = Number.POSITIVE_INFINITY }: Append): Verdict => {
    if (!known.exists && restsOn !== noState) return { kind: 'moved' }
    const originals = own.map(({ id }) => known.entries.get(id)).filter((original) => original !== undefined)
    if (originals.length > 0) {
      const same = own.every(({ id, requestDigest }) => {
        const original = known.entries.get(id)
        return original !== undefined && Buffer.compare(original.requestDigest, requestDigest) === 0
      })
      return same ? { kind: 'duplicate', revisions: originals.map(({ revision }) => revision) } : { kind: 'mismatch' }
    }
    if (own.some(({ id }) => named.has(id))) return { kind: 'again' }
    if (time >= notAfter) return { kind: 'stale' }
    // The first that changes the state moves everything behind it that rests on the old one.
    if (restsOn !== 'any' && (restsOn !== known.stateRevision || stateRevision !== known.stateRevision)) return { kind: 'moved' }
    const first = known.revision + BigInt(entries.length) + 1n
    const revisions = own.map((_, index) => first + BigInt(index))
    const change = own.findLastIndex((entry) => entry.stateChanging)
    if (change >= 0) stateRevision = first + BigInt(change)
    earliest = Math.min(earliest, notAfter)
    entries.push(...own)
    return { kind: 'store', revisions, stateRevision }
  }

  const verdicts = appends.map((append) => {
    const verdict = verdictOf(append)
    for (const { id } of append.entries) named.add(id)
    return verdict
  })
  return { verdicts, entries, notAfter: earliest, stateRevision }
}
