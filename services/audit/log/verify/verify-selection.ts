/** Checks some entries of a ledger, each against its own receipt: an evidence bundle of a selection, or one entry and its receipt. */
import { parseVerifierKey } from '../note.ts'
import { leafHash } from '../tree-hash.ts'
import { verifyInclusion } from '../verify-proofs.ts'
import { envelopeEnd } from './envelope-end.ts'
import { type Exclusion, exclusion, notWitnessed } from './exclusions.ts'
import type { Fault } from './fault.ts'
import type { HeadVerdict } from './judge.ts'
import { type ReadCheckpoint, readCheckpoint, readReceipt } from './kept.ts'
import { type Restarted, restartedOf } from './log-events.ts'
import type { AnchorReport, LedgerReport, ReceiptReport } from './report.ts'
import type { Run } from './row-comparison.ts'
import { cosignersOf, type Signed, signersOf } from './signers.ts'
import type { Anchors } from './verify-ledger.ts'

/** An entry and what is to prove it. */
export interface SelectedEntry {
  readonly revision: bigint
  readonly bytes: Uint8Array
  /** C2SP tlog-proof. */
  readonly receipt: string | undefined
}

export interface VerifySelectionOptions {
  readonly clinic: string
  /** The note that the receipts are under. */
  readonly checkpoint: string
  /** As the file has them. */
  readonly verifierKeys: readonly string[]
  /** Read once. */
  readonly entries: AsyncIterable<SelectedEntry>
  readonly anchors: Anchors
  /** Whether what is read stands for more than one entry of somebody's choice. */
  readonly mayLeaveOut: boolean
  readonly onProgress?: (entries: bigint) => void
}

const mostFaults = 1000

const isSame = (one: ReadCheckpoint, other: ReadCheckpoint): boolean =>
  one.origin === other.origin && one.size === other.size && one.root.equals(other.root)

/** What is wrong with an entry and its receipt under the checkpoint; undefined: nothing. */
const entryFault = (clinic: string, { revision, bytes, receipt }: SelectedEntry, under: ReadCheckpoint | undefined): Fault | undefined => {
  const at = { clinic, revision, lastRevision: revision, time: envelopeEnd(bytes)?.time }
  const read = receipt === undefined ? undefined : readReceipt(receipt, 'its receipt')
  if (read === undefined) return { ...at, kind: 'receipt_invalid', detail: 'Its receipt is missing or cannot be read.' }
  if (read.index !== revision) return { ...at, kind: 'receipt_invalid', detail: `Its receipt is of revision ${read.index}.` }
  if (under !== undefined && !isSame(read.checkpoint, under)) {
    return { ...at, kind: 'receipt_invalid', detail: 'Its receipt is under another checkpoint than the file.' }
  }
  const { index, hashes: proof, size, root } = read
  if (verifyInclusion({ leafHash: leafHash(bytes), index, size, proof, root })) return undefined
  return { ...at, kind: 'entry_changed', detail: 'The entry and its receipt do not fit: one of them is not the one that was given out.' }
}

/** Whose word the checkpoint is, and what is wrong with that. */
const checkpointFaults = (clinic: string, { label, size }: ReadCheckpoint, signed: Signed, given: boolean): readonly Fault[] => {
  const at = { clinic, revision: 0n, lastRevision: size === 0n ? 0n : size - 1n }
  if (signed.kind === 'bad')
    return [{ ...at, kind: 'checkpoint_invalid', detail: `${label} carries a signature that its key did not make.` }]
  if (given && signed.kind !== 'trusted') {
    return [{ ...at, kind: 'key_replaced', detail: `${label} is not signed with a key that was given.` }]
  }
  if (signed.kind === 'unknown')
    return [{ ...at, kind: 'checkpoint_invalid', detail: `${label} is not signed with a key that the file shows.` }]
  return []
}

/** Runs of revisions that are listed. */
const mostRanges = 100

/** Never rejects but with what `entries` throws. */
export const verifySelection = async (options: VerifySelectionOptions): Promise<LedgerReport> => {
  const { clinic, entries, anchors, mayLeaveOut, onProgress } = options
  const { policy } = anchors
  const keys = { trusted: anchors.keys, shown: options.verifierKeys.map(parseVerifierKey).filter((key) => key !== undefined) }
  const faults: Fault[] = []
  let more = false
  const note = (fault: Fault): void => {
    if (faults.length < mostFaults) faults.push(fault)
    else more = true
  }

  const under = readCheckpoint(options.checkpoint, 'the checkpoint of the file')
  if (under === undefined) {
    note({ kind: 'checkpoint_invalid', clinic, revision: 0n, lastRevision: 0n, detail: 'The checkpoint of the file cannot be read.' })
  }
  const others = [...anchors.checkpoints, ...anchors.receipts.map(({ checkpoint }) => checkpoint)]
  const all = [...(under === undefined ? [] : [under]), ...others]
  const signers = new Map(all.map((checkpoint) => [checkpoint, signersOf(checkpoint.note, checkpoint.origin, keys)]))
  const signedOf = (checkpoint: ReadCheckpoint): Signed => signers.get(checkpoint) ?? { kind: 'unchecked' }
  for (const checkpoint of all)
    for (const fault of checkpointFaults(clinic, checkpoint, signedOf(checkpoint), anchors.keys.length > 0)) note(fault)

  const unrelated: Exclusion[] = []
  const verdicts = new Map<ReadCheckpoint, HeadVerdict | undefined>()
  for (const other of others) {
    if (under === undefined) continue
    if (other.origin !== under.origin || other.size !== under.size)
      unrelated.push(exclusion('older_than_checkpoint', { label: other.label }))
    else if (isSame(other, under)) verdicts.set(other, 'agrees')
    else {
      verdicts.set(other, 'differs')
      const detail = `${other.label} and ${under.label} are of one size and have different roots.`
      note({ kind: 'checkpoint_inconsistent', clinic, revision: 0n, lastRevision: under.size - 1n, detail })
    }
  }

  const wanted = new Map(anchors.receipts.map((receipt) => [receipt.index, receipt]))
  const receipts: ReceiptReport[] = []
  const restarts: Restarted[] = []
  let [count, size] = [0n, 0n]
  const revisions: Run[] = []
  let moreRevisions = false
  let firstTime: string | undefined
  let lastTime: string | undefined
  for await (const entry of entries) {
    count += 1n
    size = entry.revision + 1n
    const last = revisions.at(-1)
    if (last !== undefined && last.to + 1n === entry.revision) revisions[revisions.length - 1] = { from: last.from, to: entry.revision }
    else if (revisions.length < mostRanges) revisions.push({ from: entry.revision, to: entry.revision })
    else moreRevisions = true
    lastTime = envelopeEnd(entry.bytes)?.time
    firstTime ??= lastTime
    const restart = restartedOf(entry.revision, entry.bytes)
    if (restart !== undefined) restarts.push(restart)
    const fault = entryFault(clinic, entry, under)
    if (fault !== undefined) note(fault)
    const kept = wanted.get(entry.revision)
    if (kept !== undefined) {
      const proven = verifyInclusion({
        leafHash: leafHash(entry.bytes),
        index: kept.index,
        size: kept.size,
        proof: kept.hashes,
        root: kept.root,
      })
      receipts.push({ label: kept.label, revision: kept.index, size: kept.size, proven })
      const detail = `The entry is not the one that ${kept.label} was given for.`
      if (!proven) note({ kind: 'entry_changed', clinic, revision: kept.index, lastRevision: kept.index, time: lastTime, detail })
    }
    onProgress?.(count)
  }
  for (const { label, index, size: of } of anchors.receipts) {
    if (!receipts.some((each) => each.label === label)) receipts.push({ label, revision: index, size: of, proven: false })
  }

  const intact = faults.length === 0 && count > 0n
  const reports = all.map((checkpoint): AnchorReport => {
    const { label, origin, size: covers, root, note: text } = checkpoint
    const witnesses = policy === undefined ? { cosigners: [], quorum: false } : cosignersOf(text, policy)
    const verdict = checkpoint === under ? (intact ? 'agrees' : undefined) : verdicts.get(checkpoint)
    return {
      label,
      origin,
      size: covers,
      root: root.toString('base64'),
      outside: checkpoint !== under,
      signed: signedOf(checkpoint),
      ...witnesses,
      verdict,
    }
  })
  const known = reports.filter(({ verdict, signed }) => verdict === 'agrees' && (signed.kind === 'trusted' || signed.kind === 'shown'))
  const quorum = reports.some((each) => each.quorum && each.verdict === 'agrees')
  const reason =
    count === 0n
      ? 'There is no entry to check.'
      : known.length === 0 && verdicts.size === 0
        ? 'No key of the log is known, so that nobody vouches for the checkpoint: give it with --key.'
        : policy !== undefined && policy.quorum !== 'none' && !quorum
          ? 'The checkpoint is not cosigned by the witnesses that the policy asks for.'
          : undefined
  return {
    outcome: faults.length > 0 ? 'damaged' : reason === undefined ? 'verified' : 'unchecked',
    clinic,
    entries: count,
    size,
    root: undefined,
    firstTime,
    lastTime,
    anchors: reports,
    receipts,
    faults,
    moreFaults: more,
    restarts,
    revisions,
    moreRevisions,
    notExcluded: [
      exclusion('true_when_recorded'),
      exclusion(mayLeaveOut ? 'left_out' : 'only_this_entry'),
      ...(!mayLeaveOut || [...verdicts.values()].includes('agrees') ? [] : [exclusion('rewritten_with_keys')]),
      ...(anchors.keys.length === 0 && reports.some(({ signed }) => signed.kind === 'shown') ? [exclusion('key_learnt')] : []),
      ...(reports.some(({ signed }) => signed.kind === 'unchecked') ? [exclusion('signature_unchecked')] : []),
      ...(quorum
        ? []
        : [
            notWitnessed(
              policy,
              reports.flatMap(({ cosigners }) => cosigners.map(({ name }) => name)),
            ),
          ]),
      ...unrelated,
    ],
    ...(reason === undefined || faults.length > 0 ? {} : { reason }),
  }
}
