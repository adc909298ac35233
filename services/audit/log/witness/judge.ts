/**
 * What a witness answers (C2SP tlog-witness v1.0.0): it cosigns a head only if everything it cosigned before for that log is the beginning
 * of it. Pure: whoever asks must keep what it is told to cosign before anybody sees the cosignature, and judge one request of a log at a time.
 */
import { type VerifierKey, verifyNote } from '../note.ts'
import { emptyRoot } from '../tree-hash.ts'
import { verifyConsistency } from '../verify-proofs.ts'
import type { ReceivedCheckpoint } from './add-checkpoint.ts'

/** What was cosigned last for a log. */
export interface CosignedHead {
  readonly size: bigint
  /** 32 bytes. */
  readonly root: Buffer
}

export type Verdict =
  | { readonly kind: 'cosign' }
  | { readonly kind: 'old_size_too_large' }
  | { readonly kind: 'unknown_origin' }
  /** No trusted key has signed it, or the signature of one is wrong. */
  | { readonly kind: 'not_signed' }
  /** Another head than the sender thinks was cosigned last. */
  | { readonly kind: 'conflict'; readonly size: bigint }
  /** The proof does not show that the head continues the one cosigned last. */
  | { readonly kind: 'not_proven' }
  /** A trusted key has signed another root for the very size cosigned last: this note and ours together prove it to anybody. */
  | { readonly kind: 'fork' }

export interface Question {
  readonly request: ReceivedCheckpoint
  /** Keys trusted for the origin of the request; undefined: the origin is not one of ours. */
  readonly keys: readonly VerifierKey[] | undefined
  /** Undefined: nothing has been cosigned for the origin. */
  readonly last: CosignedHead | undefined
}

const judgeGrowth = ({ oldSize, proof, checkpoint }: ReceivedCheckpoint, last: CosignedHead | undefined): Verdict => {
  const { size, root } = checkpoint
  if (size === 0n && !root.equals(emptyRoot())) return { kind: last?.size === 0n ? 'fork' : 'not_proven' }
  // A proof from the empty tree has no meaning (RFC 9162, section 2.1.4): every tree continues it.
  if (oldSize === 0n || last === undefined) return { kind: proof.length === 0 ? 'cosign' : 'not_proven' }
  if (size === last.size && !root.equals(last.root)) return { kind: 'fork' }
  const proven = verifyConsistency({ firstSize: last.size, secondSize: size, firstRoot: last.root, secondRoot: root, proof })
  return { kind: proven ? 'cosign' : 'not_proven' }
}

/** The answer to one request. */
export const judge = ({ request, keys, last }: Question): Verdict => {
  if (keys === undefined) return { kind: 'unknown_origin' }
  if (verifyNote(request.note, keys).kind !== 'verified') return { kind: 'not_signed' }
  if (request.oldSize > request.checkpoint.size) return { kind: 'old_size_too_large' }
  const size = last?.size ?? 0n
  if (request.oldSize !== size) return { kind: 'conflict', size }
  return judgeGrowth(request, last)
}
