/** Differences between the entries found and hashes that are proven, as faults. */
import type { Alignment, Behind, Difference, FoundMessage } from './alignment.ts'
import { noHash } from './alignment.ts'
import { type EnvelopeEnd, envelopeEnd } from './envelope-end.ts'
import type { Fault, FaultKind } from './fault.ts'
import { clinicOf } from './plain-faults.ts'

/** Which part of the log the hashes are proven for, leaf indices. */
export interface Proven {
  readonly from: bigint
  /** Exclusive. */
  readonly to: bigint
}

interface Judged {
  readonly kind: FaultKind
  readonly revision: bigint
  readonly time?: string | undefined
  readonly detail: string
}

const nothing = noHash.toString('latin1')

const endOf = (found: FoundMessage): EnvelopeEnd | undefined => (found === undefined ? undefined : envelopeEnd(found))

const within = (difference: Difference, { from, to }: Proven): boolean => {
  const place = difference.kind === 'extra' ? difference.revision : difference.index
  return place >= from && place < to
}

/** Neighbours of one kind as one fault: ten thousand entries that were cut out are one thing to read. */
const joinNeighbours = (clinic: string, judged: readonly Judged[]): readonly Fault[] => {
  const faults: Fault[] = []
  for (const { kind, revision, time, detail } of judged) {
    const last = faults.at(-1)
    if (last !== undefined && last.kind === kind && last.lastRevision === revision - 1n && last.detail === detail) {
      faults[faults.length - 1] = { ...last, lastRevision: revision }
    } else faults.push({ kind, clinic, revision, lastRevision: revision, time, detail })
  }
  return faults
}

const missingDetail = 'The entry signed at this place is not in the ledger.'

/** The entries are wrong: what became of each. An entry that is proven for one place may be found at another that nothing is proven of. */
export const entryFaults = (clinic: string, { differences, behind }: Alignment, proven: Proven): readonly Fault[] => {
  const homes = new Map<string, bigint>()
  const places = new Set<string>()
  for (const difference of differences) {
    if (difference.kind !== 'extra' && within(difference, proven)) homes.set(difference.loggedHash, difference.index)
    if (difference.kind !== 'missing') places.add(difference.foundHash)
  }
  homes.delete(nothing)
  for (const { foundHash } of behind) places.add(foundHash)
  const reordered = ({ revision, found }: Pick<Behind, 'revision' | 'found'>, home: bigint): Judged => ({
    kind: 'entries_reordered',
    revision,
    time: endOf(found)?.time,
    detail: `The entry found here was signed as revision ${home}.`,
  })
  const judge = (difference: Difference): readonly Judged[] => {
    const here = within(difference, proven)
    if (difference.kind === 'missing') {
      if (!here || places.has(difference.loggedHash)) return []
      return [{ kind: 'entry_missing', revision: difference.index, detail: missingDetail }]
    }
    const { revision, found, foundHash } = difference
    const home = homes.get(foundHash)
    if (!here && home === undefined) return []
    if (foundHash === nothing) return [{ kind: 'entry_missing', revision, detail: missingDetail }]
    const end = endOf(found)
    const at = { revision, time: end?.time }
    const named = clinicOf(end)
    if (named !== undefined && named !== clinic) {
      return [{ ...at, kind: 'entry_of_another_clinic', detail: `The entry found here is of ${named}.` }]
    }
    if (home !== undefined) return [reordered(difference, home)]
    if (difference.kind === 'changed')
      return [{ ...at, kind: 'entry_changed', detail: 'The entry found here is not the one that was signed.' }]
    return [{ ...at, kind: 'entry_inserted', detail: 'The entry found here was not signed at this place.' }]
  }
  const moved = behind.flatMap((each): readonly Judged[] => {
    const home = homes.get(each.foundHash)
    return home === undefined ? [] : [reordered(each, home)]
  })
  return joinNeighbours(clinic, [...differences.flatMap(judge), ...moved])
}

/** The entries are right: hashes that differ from theirs are wrong. */
export const leafTileFaults = (clinic: string, { differences }: Alignment, proven: Proven): readonly Fault[] =>
  joinNeighbours(
    clinic,
    differences
      .filter((difference) => difference.kind !== 'missing' && difference.revision >= proven.from && difference.revision < proven.to)
      .map((difference) => ({
        kind: 'tile_changed' as const,
        revision: difference.kind === 'missing' ? difference.index : difference.revision,
        detail:
          difference.kind === 'changed' && difference.loggedHash === nothing
            ? 'The hash of the entry is not in the tiles.'
            : 'The hash of the entry in the tiles is not that of the entry.',
      })),
  )
