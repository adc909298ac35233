/**
 * Folds a clinic's ledger from its first entry and compares what comes of it with the snapshot that is kept. A snapshot that its vault opens
 * was sealed by this installation: that it ends with an entry the ledger does not hold shows that the ledger has lost entries, or holds others.
 */
import { hash } from 'node:crypto'
import type { Ledger } from '../audit/ledger.ts'
import type { ClinicVault } from '../audit/vault.ts'
import type { Clock } from '../kernel/clock.ts'
import { decodeStateEntry } from './event-codec.ts'
import { captureState } from './snapshot/capture.ts'
import { type Header, snapshotFormat } from './snapshot/format.ts'
import { inSlices } from './snapshot/in-slices.ts'
import { serialiseState } from './snapshot/serialise.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { type ClinicState, emptyState, evolve } from './state.ts'

export interface SnapshotComparisonOptions {
  readonly store: Pick<SnapshotStore, 'read'>
  readonly ledger: Pick<Ledger, 'readState' | 'head'>
  readonly clock: Clock
  /** Called after so many revisions were passed, of so many; what it answers is waited for, and what it throws ends the comparison. */
  readonly passed: (done: bigint, total: bigint) => Promise<void>
}

/** `stateRevision` is the snapshot's. */
export type SnapshotComparison =
  | { readonly kind: 'none' }
  /** Of another version of the service: it says nothing to this one. */
  | { readonly kind: 'other_format'; readonly stateRevision: bigint }
  | { readonly kind: 'same'; readonly stateRevision: bigint }
  /** Not what was sealed for this clinic and revision, or not what such a state is written as. */
  | { readonly kind: 'not_authentic' | 'not_readable'; readonly stateRevision: bigint }
  /** Sealed by this installation, and not what the ledger gives. */
  | { readonly kind: 'differs'; readonly stateRevision: bigint }
  /** The ledger ends before the entry that the snapshot ends with. */
  | { readonly kind: 'ahead_of_ledger'; readonly stateRevision: bigint }
  /** The ledger holds another entry there. */
  | { readonly kind: 'other_history'; readonly stateRevision: bigint }

/** Entries between two calls of `passed`. */
const step = 1_000n

/** A state, and SHA-256 (base64url) of the entry it ends with; undefined when the ledger has no state-changing entry of that revision. */
const foldTo = async (
  clinic: string,
  stateRevision: bigint,
  { ledger, passed }: SnapshotComparisonOptions,
): Promise<{ readonly state: ClinicState; readonly anchor: string } | undefined> => {
  const state = emptyState()
  let told = 0n
  for await (const entry of ledger.readState(clinic, 0n)) {
    if (entry.revision > stateRevision) return undefined
    evolve(state, decodeStateEntry(entry))
    if (entry.revision === stateRevision) return { state, anchor: hash('sha256', entry.bytes, 'base64url') }
    if (entry.revision - told < step) continue
    told = entry.revision
    await passed(entry.revision + 1n, stateRevision + 1n)
  }
  return undefined
}

const lineFeed = 0x0a

const headerOf = (bytes: Buffer): Header | undefined => {
  try {
    const [part, header] = JSON.parse(bytes.toString('utf8', 0, bytes.indexOf(lineFeed))) as [unknown, Header]
    return part === 'header' && typeof header.anchor === 'string' ? header : undefined
  } catch {
    return undefined
  }
}

/** Whether the lines are these bytes, a line at a time. */
function* equals(lines: Iterable<string>, bytes: Buffer): Generator<undefined, boolean> {
  let place = 0
  for (const text of lines) {
    const line = Buffer.from(text, 'utf8')
    if (!line.equals(bytes.subarray(place, place + line.length))) return false
    place += line.length
    yield
  }
  return place === bytes.length
}

/** Compares a clinic's snapshot with its ledger. Throws what the ledger, the store or `passed` throws. */
export const compareSnapshot = async (
  clinic: string,
  vault: ClinicVault,
  options: SnapshotComparisonOptions,
): Promise<SnapshotComparison> => {
  const { store, ledger, clock } = options
  const snapshot = await store.read(clinic)
  if (snapshot === undefined) return { kind: 'none' }
  const { format, stateRevision, sealed } = snapshot
  const opened = vault.openState({ clinic, format, stateRevision }, sealed)
  if (opened === undefined) return { kind: 'not_authentic', stateRevision }
  if (format !== snapshotFormat) return { kind: 'other_format', stateRevision }
  const bytes = Buffer.from(opened.buffer, opened.byteOffset, opened.byteLength)
  const header = headerOf(bytes)
  if (header === undefined) return { kind: 'not_readable', stateRevision }
  const folded = await foldTo(clinic, stateRevision, options)
  if (folded === undefined) {
    const head = await ledger.head(clinic)
    return { kind: head === undefined || head.revision < stateRevision ? 'ahead_of_ledger' : 'other_history', stateRevision }
  }
  if (folded.anchor !== header.anchor) return { kind: 'other_history', stateRevision }
  const same = await inSlices(equals(serialiseState(captureState(folded.state), folded.anchor), bytes), clock)
  return { kind: same ? 'same' : 'differs', stateRevision }
}
