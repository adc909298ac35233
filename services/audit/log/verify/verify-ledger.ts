/**
 * Checks a whole ledger: reads it once, decides which checkpoints count, compares, and says what came out, against what, and what that
 * cannot exclude. Where a checkpoint fails and the kept hashes do not say where, receipts narrow it down in a second reading.
 */

import { parseVerifierKey, type VerifierKey } from '../note.ts'
import { edgeRoot } from '../tree-edge.ts'
import { verifyInclusion } from '../verify-proofs.ts'
import type { WitnessPolicy } from '../witness-policy.ts'
import { type Exclusion, exclusion, notJudged, notWitnessed } from './exclusions.ts'
import type { Fault } from './fault.ts'
import type { LedgerPart } from './found.ts'
import { restartOf } from './given-up.ts'
import { distinctFaults, type Head, type JudgedHead, type Judgement, judge, type Unresolved } from './judge.ts'
import { type ReadCheckpoint, type ReadReceipt, readCheckpoint } from './kept.ts'
import { narrow } from './narrow.ts'
import { type Observation, observe } from './observe.ts'
import type { ChangesState } from './plain-faults.ts'
import type { AnchorReport, LedgerReport, ReceiptReport } from './report.ts'
import { cosignersOf, type Keys, type Signed, signersOf, vouchedKeys } from './signers.ts'
import { greatest, lesser } from './sizes.ts'

/** Where a ledger is read from. */
export interface LedgerSource {
  readonly clinic: string
  /** Checkpoints as published there, the newest first: whole notes. */
  readonly published: readonly string[]
  /** Keys of the log as shown there: C2SP verifier keys. */
  readonly verifierKeys: readonly string[]
  /** Entries that it says there are, where it says so elsewhere than in the entries. */
  readonly claimedSize?: bigint
  /** Where it ends by its own word, as a file of some moment does: that it ends before a later checkpoint says nothing. Undefined: it goes on. */
  readonly endsAt?: bigint
  /** Whether entries come with columns of a database. */
  readonly hasColumns: boolean
  /** From the beginning; may be called again. */
  read(): AsyncIterable<LedgerPart>
}

export interface Anchors {
  /** From outside, all of the clinic's log. */
  readonly checkpoints: readonly ReadCheckpoint[]
  readonly receipts: readonly ReadReceipt[]
  /** Keys that the caller trusts; empty: they are learnt from the source. */
  readonly keys: readonly VerifierKey[]
  readonly policy?: WitnessPolicy | undefined
}

export interface VerifyLedgerOptions {
  readonly source: LedgerSource
  readonly anchors: Anchors
  /** What is known to have been signed, without a note that shows it: the record of whoever signs. Believed as it is. */
  readonly records?: readonly Head[]
  readonly changesState?: ChangesState
  /** Told how many entries have been read; begins anew with the second reading. */
  readonly onProgress?: (entries: bigint) => void
}

interface Candidate {
  readonly checkpoint: ReadCheckpoint
  readonly outside: boolean
}

interface Believed {
  readonly candidate: Candidate
  readonly signed: Signed
  readonly counts: boolean
}

/** Faults that are listed. */
const mostFaults = 1000

/** Receipts that a failing checkpoint is narrowed down with. */
const mostNarrowing = 64

const agrees = ({ found }: Observation, { size, root }: ReadCheckpoint): boolean => {
  const edge = found.at.get(size)
  return edge !== undefined && edgeRoot(edge).equals(root)
}

/** Which checkpoints count, and what is wrong with the others. */
const believe = (seen: Observation, candidates: readonly Candidate[], keys: Keys, given: boolean) => {
  const faults: Fault[] = []
  const believed = candidates.map((candidate): Believed => {
    const { checkpoint, outside } = candidate
    const signed = signersOf(checkpoint.note, checkpoint.origin, keys)
    const at = { clinic: seen.clinic, revision: 0n, lastRevision: checkpoint.size === 0n ? 0n : checkpoint.size - 1n }
    const invalid = (detail: string) => faults.push({ ...at, kind: 'checkpoint_invalid', detail })
    const replaced = (detail: string) => faults.push({ ...at, kind: 'key_replaced', detail })
    if (signed.kind === 'bad') {
      invalid(`${checkpoint.label} carries a signature of a key of the log that this key did not make.`)
      return { candidate, signed, counts: false }
    }
    if (given && signed.kind !== 'trusted') {
      replaced(`${checkpoint.label} is not signed with a key that was given, nor with one that such a key vouches for.`)
      return { candidate, signed, counts: outside }
    }
    if (signed.kind === 'unknown' && outside) {
      replaced(`${checkpoint.label} is signed with a key that the log does not show any more, and no entry records the change.`)
    } else if (signed.kind === 'unknown') invalid(`${checkpoint.label} is not signed with a key that the log shows.`)
    return { candidate, signed, counts: outside || signed.kind !== 'unknown' }
  })
  return { believed, faults }
}

const headOf = ({ candidate: { checkpoint, outside } }: Believed): Head => ({
  origin: checkpoint.origin,
  size: checkpoint.size,
  root: checkpoint.root,
  outside,
  givenOut: true,
  label: checkpoint.label,
})

/** What the receipts say of their entries, and those that do not say what they should. */
const judgeReceipts = (seen: Observation, receipts: readonly ReadReceipt[]) => {
  const faults: Fault[] = []
  const reports = receipts.map((receipt): ReceiptReport => {
    const { index, hashes, size, root, label } = receipt
    const leaf = seen.leaves.get(index)
    const fits = (leafHash: Buffer | undefined): boolean =>
      leafHash !== undefined && verifyInclusion({ leafHash, index, size, proof: hashes, root })
    const proven = fits(leaf?.found)
    const logged = seen.logged.at.get(size)
    const rooted = agrees(seen, receipt.checkpoint) || (logged !== undefined && edgeRoot(logged).equals(root))
    if (!proven && rooted && !fits(leaf?.logged)) {
      const detail = `${label} does not fit its own checkpoint: its hashes do not lead from the entry to the root.`
      faults.push({ kind: 'receipt_invalid', clinic: seen.clinic, revision: index, lastRevision: index, time: leaf?.time, detail })
    }
    return { label, revision: index, size, proven }
  })
  return { reports, faults }
}

/** Ranges that stay as wide as they are. A log that was begun anew has given up what it had signed before. */
const widest = ({ clinic, restarts }: Observation, unresolved: readonly Unresolved[]): readonly Fault[] =>
  unresolved
    .filter(({ from, to }) => from < to)
    .map(({ head, from, to }): Fault => {
      const restart = restarts.find(({ retiredOrigin }) => retiredOrigin === head.origin)
      const range = { clinic, revision: from, lastRevision: to - 1n }
      if (restart === undefined) {
        const detail = `At least one of these entries is not as it was signed in ${head.label}; nothing given or found narrows it down.`
        return { ...range, kind: 'entry_changed', detail }
      }
      const detail = `${head.label} is of a log that was given up (${restart.cause}), as revision ${restart.revision} records: entries signed there were lost.`
      return { ...range, kind: 'ledger_rolled_back', detail }
    })

/** A checkpoint from outside that does not fit is damage, whatever else was found of it. */
export const unexplained = (clinic: string, found: bigint, heads: readonly JudgedHead[], faults: readonly Fault[]): readonly Fault[] =>
  faults.length > 0
    ? []
    : heads
        .filter(({ outside, verdict }) => outside && verdict !== 'agrees')
        .map(({ label, size, verdict }): Fault => {
          const detail = `${label} does not fit the entries.`
          const [kind, revision] = verdict === 'beyond' ? (['ledger_rolled_back', found] as const) : (['entry_changed', 0n] as const)
          return { kind, clinic, revision, lastRevision: size - 1n, detail }
        })

/** Up to which size the entries are those that enough witnesses have cosigned. */
const witnessedTo = (anchors: readonly AnchorReport[]): bigint =>
  greatest(anchors.filter(({ quorum, verdict }) => quorum && verdict === 'agrees').map(({ size }) => size))

/** Who has cosigned something that fits. */
const cosignerNames = (anchors: readonly AnchorReport[]): readonly string[] =>
  anchors.filter(({ verdict }) => verdict === 'agrees').flatMap(({ cosigners }) => cosigners.map(({ name }) => name))

const notExcludedBy = (
  { source, anchors }: VerifyLedgerOptions,
  seen: Observation,
  believed: readonly Believed[],
  judgement: Judgement,
  witnessed: bigint,
  cosigners: readonly string[],
): readonly Exclusion[] => {
  const { heads, judgedTo: covered, judgedFromOutsideTo: outside } = judgement
  const agreeing = heads.filter(({ verdict }) => verdict === 'agrees')
  const some = heads.some((head) => head.outside)
  const learnt = anchors.keys.length === 0 && believed.some(({ signed }) => signed.kind === 'shown')
  const failing = greatest(heads.map(({ size }) => lesser(size, seen.size)))
  // Up to where something from outside does not fit, though something from inside may: that says nothing against what was given.
  const doubted = greatest(
    heads
      .filter((head) => head.outside && head.verdict !== 'agrees')
      .map((head) => lesser(lesser(head.size, covered), restartOf(seen.restarts, head)?.revision ?? head.size)),
  )
  const unproven = learnt
    ? seen.keysAdded.find(({ revision }) => !agreeing.some((head) => head.outside && head.size > revision))
    : undefined
  return [
    exclusion('true_when_recorded'),
    ...(some ? [] : [exclusion('rewritten_with_keys')]),
    ...(doubted > outside ? [notJudged({ from: outside, to: doubted - 1n })] : []),
    ...(some && outside < covered && doubted < covered
      ? [exclusion('rewritten_after_anchor', { from: greatest([doubted, outside]) })]
      : []),
    ...(learnt ? [exclusion('key_learnt')] : []),
    ...(unproven === undefined ? [] : [exclusion('key_change_unproven', { at: unproven.revision })]),
    ...(believed.some(({ signed }) => signed.kind === 'unchecked') ? [exclusion('signature_unchecked')] : []),
    ...(failing > covered ? [notJudged({ from: covered, to: failing - 1n })] : []),
    ...(seen.size > covered && failing <= covered ? [exclusion('not_published', { from: covered, count: seen.size - covered })] : []),
    // A file says itself where it ends.
    ...(source.endsAt === undefined ? [outside === 0n ? exclusion('cut_off_unanchored') : exclusion('cut_off', { to: outside - 1n })] : []),
    ...(witnessed === 0n ? [notWitnessed(anchors.policy, cosigners)] : []),
    ...(witnessed > 0n && witnessed < covered ? [exclusion('not_witnessed_after', { from: witnessed })] : []),
    ...(source.hasColumns ? [exclusion('recorded_at')] : []),
  ]
}

/** Why nothing is proven although nothing is wrong; undefined: something is. */
const whyUnchecked = (
  heads: readonly JudgedHead[],
  anchors: readonly AnchorReport[],
  policy: WitnessPolicy | undefined,
): string | undefined => {
  if (!heads.some(({ verdict }) => verdict === 'agrees'))
    return 'There is no checkpoint to compare with: none is published, and none was given.'
  if (anchors.every(({ signed }) => signed.kind === 'unchecked'))
    return 'No key of the log is known, so that nobody vouches for the checkpoint.'
  if (policy !== undefined && policy.quorum !== 'none' && witnessedTo(anchors) === 0n) {
    return 'No checkpoint that fits is cosigned by the witnesses that the policy asks for.'
  }
  return undefined
}

/** Throws what the source throws. */
export const verifyLedger = async (options: VerifyLedgerOptions): Promise<LedgerReport> => {
  const { source, anchors, records = [], onProgress, changesState } = options
  const { clinic } = source
  const { policy, receipts } = anchors
  const published = source.published.map((note) =>
    readCheckpoint(note, source.endsAt === undefined ? 'the published checkpoint' : 'the checkpoint of the file'),
  )
  const candidates: readonly Candidate[] = [
    ...published.filter((each) => each !== undefined).map((checkpoint) => ({ checkpoint, outside: false })),
    ...[...anchors.checkpoints, ...receipts.map(({ checkpoint }) => checkpoint)].map((checkpoint) => ({ checkpoint, outside: true })),
  ]
  const seen = await observe({
    clinic,
    parts: source.read(),
    sizes: [...candidates.map(({ checkpoint }) => checkpoint), ...records].map(({ size }) => size),
    revisions: receipts.map(({ index }) => index),
    ...(changesState === undefined ? {} : { changesState }),
    ...(onProgress === undefined ? {} : { onProgress }),
  })

  const vouched = vouchedKeys(anchors.keys, seen.keysAdded, (trusted) =>
    greatest(
      candidates
        .filter(
          ({ checkpoint }) =>
            agrees(seen, checkpoint) && signersOf(checkpoint.note, checkpoint.origin, { trusted, shown: [] }).kind === 'trusted',
        )
        .map(({ checkpoint }) => checkpoint.size),
    ),
  )
  const announced = seen.keysAdded.flatMap(({ key, retiring }) => [key, ...retiring])
  const shown = [...source.verifierKeys.map(parseVerifierKey).filter((key) => key !== undefined), ...announced]
  const { believed, faults: keyFaults } = believe(seen, candidates, { trusted: vouched, shown }, anchors.keys.length > 0)
  const malformed = published.flatMap((each): Fault[] =>
    each === undefined
      ? [{ kind: 'checkpoint_invalid', clinic, revision: 0n, lastRevision: 0n, detail: 'The published checkpoint cannot be read.' }]
      : [],
  )

  const { endsAt } = source
  const later = endsAt === undefined ? [] : believed.filter(({ candidate }) => candidate.outside && candidate.checkpoint.size > endsAt)
  const counting = believed.filter((each) => each.counts && !later.includes(each))
  const judgement = judge({ seen, heads: [...counting.map(headOf), ...records], claimedSize: source.claimedSize })
  const { reports, faults: receiptFaults } = judgeReceipts(seen, receipts)
  const failing = judgement.heads.filter((head) => head.outside && head.verdict !== 'agrees')
  const helpful = receipts.filter(({ checkpoint }) => {
    const logged = seen.logged.at.get(checkpoint.size)
    return failing.some(({ label }) => label === checkpoint.label) && !(logged !== undefined && edgeRoot(logged).equals(checkpoint.root))
  })
  const narrowed =
    helpful.length === 0
      ? []
      : await narrow({ clinic, receipts: helpful.slice(0, mostNarrowing), leaves: seen.leaves, ledger: source.read() })

  const explained = distinctFaults([
    ...malformed,
    ...keyFaults,
    ...judgement.faults,
    ...receiptFaults,
    ...narrowed,
    ...widest(seen, judgement.unresolved),
  ])
  const faults = [...explained, ...unexplained(clinic, seen.size, judgement.heads, explained)]
  const anchorReports = believed.map((each): AnchorReport => {
    const { checkpoint, outside } = each.candidate
    const { label, origin, size, root, note } = checkpoint
    const at = counting.indexOf(each)
    const witnesses = policy === undefined ? { cosigners: [], quorum: false } : cosignersOf(note, policy)
    return {
      label,
      origin,
      size,
      root: root.toString('base64'),
      outside,
      signed: each.signed,
      ...witnesses,
      verdict: judgement.heads[at]?.verdict,
    }
  })
  const reason = whyUnchecked(judgement.heads, anchorReports, policy)
  return {
    outcome: faults.length > 0 ? 'damaged' : reason === undefined ? 'verified' : 'unchecked',
    clinic,
    entries: seen.entries,
    size: seen.size,
    root: edgeRoot(seen.found.edge).toString('base64'),
    firstTime: seen.firstTime,
    lastTime: seen.lastTime,
    anchors: anchorReports,
    receipts: reports,
    faults: faults.slice(0, mostFaults),
    moreFaults: faults.length > mostFaults || seen.alignment.more,
    restarts: seen.restarts,
    notExcluded: [
      ...notExcludedBy(options, seen, believed, judgement, witnessedTo(anchorReports), cosignerNames(anchorReports)),
      ...later.map(({ candidate }) => exclusion('older_than_checkpoint', { label: candidate.checkpoint.label })),
    ],
    ...(reason === undefined || faults.length > 0 ? {} : { reason }),
  }
}
