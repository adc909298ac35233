/**
 * What follows from an observation and the checkpoints there are. A checkpoint whose root the entries give proves all of them up to its
 * size. One whose root they do not give proves that something is wrong; the kept hashes that do give it say what, down to the entry where
 * those of the leaves do. Where none do, the smallest range is named that can be proven.
 */

import { tileLevels } from '../tile.ts'
import { edgeRoot, type TreeEdge } from '../tree-edge.ts'
import { entryFaults, leafTileFaults } from './classify.ts'
import type { Fault } from './fault.ts'
import { givenUpWords, restartOf } from './given-up.ts'
import type { Observation } from './observe.ts'
import { greatest } from './sizes.ts'

/** A checkpoint to judge by. */
export interface Head {
  readonly origin: string
  readonly size: bigint
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Whether it comes from outside of what is checked. */
  readonly outside: boolean
  /** Whether it was given out, and so published before; a record of what was signed may be ahead of that. */
  readonly givenOut: boolean
  /** In words: "the checkpoint in file x". */
  readonly label: string
}

export type HeadVerdict =
  /** The entries give its root. */
  | 'agrees'
  /** They do not. */
  | 'differs'
  /** There are fewer entries than it covers. */
  | 'beyond'

export interface JudgedHead extends Head {
  readonly verdict: HeadVerdict
}

/** A range in which something is wrong that no kept hash narrows down. `head`: what proves it. */
export interface Unresolved {
  readonly head: Head
  readonly from: bigint
  /** Exclusive. */
  readonly to: bigint
}

export interface Judgement {
  readonly heads: readonly JudgedHead[]
  readonly faults: readonly Fault[]
  readonly unresolved: readonly Unresolved[]
  /** Up to which size it is known of every entry, or row of entries, whether it is as it was signed; and by heads from outside. */
  readonly judgedTo: bigint
  readonly judgedFromOutsideTo: bigint
}

const rootOf = (edge: TreeEdge | undefined): Buffer | undefined => edge && edgeRoot(edge)
const gives = (edge: TreeEdge | undefined, root: Uint8Array): boolean => rootOf(edge)?.equals(root) === true

/** The tree of that size with the kept hashes of one level, and what is below them from another tree. */
const stacked = (size: bigint, level: number, below: TreeEdge | undefined, upper: TreeEdge | undefined): TreeEdge | undefined => {
  if (below === undefined || upper === undefined) return undefined
  const levels = Array.from({ length: level }, (_, at) => below.levels[at] ?? Buffer.alloc(0))
  return { size, levels: [...levels, ...upper.levels] }
}

const byRevision = (one: Fault, other: Fault): number =>
  one.revision < other.revision ? -1 : one.revision > other.revision ? 1 : one.lastRevision < other.lastRevision ? -1 : 1

/** Faults of entries, of which a narrower one says everything that a wider one says. */
const ofEntries: ReadonlySet<string> = new Set([
  'entry_changed',
  'entry_missing',
  'entry_inserted',
  'entries_reordered',
  'entry_of_another_clinic',
])

const contains = (wide: Fault, narrow: Fault): boolean =>
  wide.revision <= narrow.revision &&
  narrow.lastRevision <= wide.lastRevision &&
  (wide.revision !== narrow.revision || wide.lastRevision !== narrow.lastRevision)

/** Each once, in order of revision; what only says less about the same damage is left out. */
export const distinctFaults = (faults: readonly Fault[]): readonly Fault[] => {
  const seen = new Map<string, Fault>()
  for (const fault of faults) {
    const key = `${fault.kind} ${fault.revision} ${fault.lastRevision}${ofEntries.has(fault.kind) ? '' : fault.detail}`
    if (!seen.has(key)) seen.set(key, fault)
  }
  const each = [...seen.values()]
  const entries = each.filter(({ kind }) => ofEntries.has(kind))
  return each
    .filter(({ kind }, at) => {
      const fault = each[at] as Fault
      if (kind === 'entry_changed') return !entries.some((other) => contains(fault, other))
      if (kind !== 'entry_columns_changed') return true
      return !entries.some((other) => other.revision <= fault.revision && fault.revision <= other.lastRevision)
    })
    .sort(byRevision)
}

/** What kept hashes that give the head's root say about the entries; undefined: none of them do. */
const resolve = (seen: Observation, head: Head): readonly Fault[] | undefined => {
  const { clinic, alignment, found, logged, above, foundRows } = seen
  const { size, root, label } = head
  if (gives(logged.at.get(size), root)) return entryFaults(clinic, alignment, { from: 0n, to: size })
  for (let level = 1; level < tileLevels; level += 1) {
    const width = 1n << BigInt(8 * level)
    const upper = above[level - 1]?.at.get(size >> BigInt(8 * level))
    for (const below of [found, logged]) {
      if (size < width || !gives(stacked(size, level, below.at.get(size), upper), root)) continue
      const tail = (size / width) * width
      const blocks = foundRows[level - 1]?.differing.filter(({ from }) => from < size / width) ?? []
      const detail = `At least one of these entries is not as it was signed; ${label} and the kept hashes prove no more.`
      return [
        ...blocks.map(({ from, to }): Fault => {
          const last = (to + 1n) * width < tail ? (to + 1n) * width : tail
          return { kind: 'entry_changed', clinic, revision: from * width, lastRevision: last - 1n, detail }
        }),
        ...(below === logged ? entryFaults(clinic, alignment, { from: tail, to: size }) : []),
      ]
    }
  }
  return undefined
}

/**
 * Entries that are gone from the end. Where the rows were followed to their ends it is known whether it is the end that is gone, or something
 * before it and the rest was renumbered.
 */
const cutOff = ({ clinic, alignment, logged, size: present }: Observation, inside: bigint, outside: bigint): readonly Fault[] => {
  const followed = alignment.more ? 0n : logged.edge.size
  const end = alignment.missingFrom ?? (followed > present ? followed : present)
  const known = inside > end ? inside : end
  const gone = (kind: 'ledger_truncated' | 'ledger_rolled_back', revision: bigint, to: bigint, detail: string): readonly Fault[] =>
    revision < to ? [{ kind, clinic, revision, lastRevision: to - 1n, detail }] : []
  return [
    ...gone('ledger_truncated', end, inside, 'These entries are not there any more; the database itself still says that they were.'),
    ...gone(
      'ledger_rolled_back',
      known,
      outside,
      'A checkpoint from outside covers these entries; neither they nor their log is there: an older copy is in use.',
    ),
  ]
}

/** Heads that cannot all be of one log, whatever its entries are. */
const contradictions = ({ clinic, found, logged }: Observation, heads: readonly JudgedHead[]): readonly Fault[] => {
  const faults: Fault[] = []
  const sorted = [...heads].sort((a, b) => (a.size < b.size ? -1 : a.size > b.size ? 1 : 0))
  for (const [at, small] of sorted.entries()) {
    for (const large of sorted.slice(at + 1).filter(({ origin }) => origin === small.origin)) {
      const same = small.size === large.size
      const broken = same
        ? Buffer.compare(small.root, large.root) !== 0
        : [found, logged].some(({ at: edges }) => gives(edges.get(large.size), large.root) && !gives(edges.get(small.size), small.root))
      if (!broken) continue
      const detail = `${small.label} (size ${small.size}) and ${large.label} (size ${large.size}) cannot both be true of one log.`
      faults.push({ kind: 'checkpoint_inconsistent', clinic, revision: 0n, lastRevision: small.size - 1n, detail })
    }
  }
  return faults
}

/** Tiles that differ from the entries where a head proves the entries, or from each other where it proves the leaves. */
const tileFaults = (seen: Observation, provenEntries: bigint, provenLeaves: bigint): readonly Fault[] => {
  const { clinic, alignment, foundRows, loggedRows } = seen
  const rows = provenEntries >= provenLeaves ? foundRows : loggedRows
  const proven = provenEntries >= provenLeaves ? provenEntries : provenLeaves
  const upper = rows.flatMap(({ differing }, at) => {
    const width = 1n << BigInt(8 * (at + 1))
    return differing
      .filter(({ from }) => (from + 1n) * width <= proven)
      .map(({ from, to }): Fault => {
        const last = (to + 1n) * width <= proven ? (to + 1n) * width : (proven / width) * width
        const detail = `Hashes of level ${at + 1} are not those of the tiles below.`
        return { kind: 'tile_changed', clinic, revision: from * width, lastRevision: last - 1n, detail }
      })
  })
  return [...leafTileFaults(clinic, alignment, { from: 0n, to: provenEntries }), ...upper]
}

/** Where entries and tiles differ and nothing signed says which of them is right. */
const unprovenFaults = ({ clinic, alignment, logged }: Observation, from: bigint): readonly Fault[] =>
  entryFaults(clinic, alignment, { from, to: logged.edge.size }).map((fault) => ({
    ...fault,
    detail: `${fault.detail} That is by the kept hashes; no signed checkpoint says which of the two is right.`,
  }))

export interface JudgeOptions {
  readonly seen: Observation
  readonly heads: readonly Head[]
  /** Entries that the source itself says there are, where it says so elsewhere than in the entries. */
  readonly claimedSize?: bigint | undefined
}

export const judge = ({ seen, heads, claimedSize }: JudgeOptions): Judgement => {
  const { clinic, found, logged, size: present, alignment } = seen
  const verdict = ({ size, root }: Head): HeadVerdict =>
    size > present ? 'beyond' : gives(found.at.get(size), root) ? 'agrees' : 'differs'
  const judged: readonly JudgedHead[] = heads.map((head) => ({ ...head, verdict: verdict(head) }))
  const agreeing = judged.filter((head) => head.verdict === 'agrees')
  const provenEntries = greatest(agreeing.map(({ size }) => size))
  const provenLeaves = greatest(judged.filter(({ size, root }) => gives(logged.at.get(size), root)).map(({ size }) => size))
  const faults: Fault[] = [...seen.plain, ...contradictions(seen, judged)]
  const unresolved: Unresolved[] = []

  const inside = greatest([...judged.filter(({ outside }) => !outside).map(({ size }) => size), logged.edge.size, claimedSize ?? 0n])
  const outside = greatest(judged.filter((head) => head.outside && restartOf(seen.restarts, head) === undefined).map(({ size }) => size))
  faults.push(...cutOff(seen, inside, outside))
  const published = judged.filter((head) => !head.outside)
  const newest = greatest(published.map(({ size }) => size))
  const known = greatest(
    judged
      .filter((head) => head.outside && head.givenOut && published.some(({ origin }) => origin === head.origin))
      .map(({ size }) => size),
  )
  if (published.length > 0 && known <= present && newest < known) {
    const detail = `The newest checkpoint published is older than one from outside (size ${known}): newer ones were taken back.`
    faults.push({ kind: 'checkpoint_inconsistent', clinic, revision: newest, lastRevision: known - 1n, detail })
  }

  const resolved: JudgedHead[] = [...agreeing]
  const failing = judged.filter((head) => head.verdict !== 'agrees').sort((a, b) => (a.size < b.size ? -1 : a.size > b.size ? 1 : 0))
  for (const head of failing) {
    // What fits, is of the same log and at least as strong. One of another generation says nothing of what was signed before it.
    const fitting = agreeing.filter((other) => other.origin === head.origin && (other.outside || !head.outside))
    // Entries that such a head proves beyond this one are right, and this head is wrong: the two contradict each other.
    if (fitting.some((other) => other.size >= head.size)) continue
    const exact = resolve(seen, head)
    if (exact !== undefined) {
      faults.push(...exact)
      resolved.push(head)
      continue
    }
    const restart = restartOf(seen.restarts, head)
    if (restart !== undefined) {
      // The largest says all that smaller ones of the same log say.
      if (failing.some(({ origin, size }) => origin === head.origin && size > head.size)) continue
      const range = { revision: restart.revision, lastRevision: head.size - 1n }
      faults.push({ kind: 'ledger_rolled_back', clinic, ...range, detail: givenUpWords(restart) })
    } else if (
      head.verdict === 'differs' &&
      !unresolved.some(({ head: other }) => other.origin === head.origin && (other.outside || !head.outside))
    ) {
      const from = greatest(fitting.map(({ size }) => size))
      unresolved.push({ head, from, to: head.size })
    }
  }
  faults.push(...tileFaults(seen, provenEntries, provenLeaves))
  if (!alignment.more) faults.push(...unprovenFaults(seen, greatest([provenEntries, provenLeaves, ...unresolved.map(({ to }) => to)])))
  return {
    heads: judged,
    faults,
    unresolved,
    judgedTo: greatest(resolved.map(({ size }) => size)),
    judgedFromOutsideTo: greatest(resolved.filter((head) => head.outside).map(({ size }) => size)),
  }
}
