/** Checkpoints and receipts as somebody kept them, read but not yet believed. */
import { type Checkpoint, parseCheckpoint } from '../checkpoint.ts'
import { parseNote } from '../note.ts'
import { parseTlogProof } from '../tlog-proof.ts'
import { emptyRoot } from '../tree-hash.ts'
import type { ReceiptClaim } from './narrow.ts'

export interface ReadCheckpoint extends Checkpoint {
  /** The whole note. */
  readonly note: string
  /** The clinic that its origin names; undefined for an origin of another form. */
  readonly clinic: string | undefined
  /** Where it is from, in words that can begin a sentence's object: "the checkpoint in head.txt". */
  readonly label: string
}

export interface ReadReceipt extends ReceiptClaim {
  readonly checkpoint: ReadCheckpoint
}

/** Undefined for an origin of another form than a clinic's log has. */
export const clinicOfOrigin = (origin: string): string | undefined => /\/v1\/clinics\/([^/]+)\/log(?:\/[1-9]\d*)?$/.exec(origin)?.[1]

/** Undefined for what is no checkpoint, and for one of an empty log with another root than that of an empty tree. */
export const readCheckpoint = (note: string, label: string): ReadCheckpoint | undefined => {
  const text = parseNote(note)?.text
  const checkpoint = text === undefined ? undefined : parseCheckpoint(text)
  if (checkpoint === undefined || (checkpoint.size === 0n && !checkpoint.root.equals(emptyRoot()))) return undefined
  return { ...checkpoint, note, clinic: clinicOfOrigin(checkpoint.origin), label }
}

/** Undefined for what is no receipt, and for one of an entry that its own checkpoint does not cover. */
export const readReceipt = (text: string, label: string): ReadReceipt | undefined => {
  const proof = parseTlogProof(text)
  const checkpoint = proof && readCheckpoint(proof.checkpoint, `the checkpoint of ${label}`)
  if (proof === undefined || checkpoint === undefined || proof.index >= checkpoint.size) return undefined
  const { index, hashes } = proof
  return { index, hashes, size: checkpoint.size, root: checkpoint.root, label, checkpoint }
}
