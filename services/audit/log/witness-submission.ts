/** One head and one witness: what it takes to have the head cosigned, or to know why it is not. */
import { parseCheckpoint } from './checkpoint.ts'
import { parseNote } from './note.ts'
import { consistencyProof, type HashSource, rootAt } from './proofs.ts'
import { verifyConsistency } from './verify-proofs.ts'
import type { WitnessClient, WitnessReply } from './witness-client.ts'

/** A published head. */
export interface HeadToWitness {
  readonly size: bigint
  /** 32 bytes. */
  readonly root: Buffer
  /** The signed note, without cosignatures. */
  readonly note: string
}

export type SubmissionOutcome =
  | Exclude<WitnessReply, { readonly kind: 'conflict' } | { readonly kind: 'not_proven' }>
  /** It has cosigned a larger checkpoint than there is. */
  | { readonly kind: 'ahead'; readonly size: bigint }
  /** It has cosigned a newer checkpoint, which another sealer has published meanwhile. */
  | { readonly kind: 'superseded' }
  /** It has cosigned a checkpoint of this size that the head does not continue. */
  | { readonly kind: 'disagrees'; readonly size: bigint }
  /** Our own tiles do not show that the head continues the tree of this size. */
  | { readonly kind: 'unproven'; readonly size: bigint }

export interface SubmissionOptions {
  readonly client: WitnessClient
  readonly head: HeadToWitness
  /** Size it cosigned last, as far as is known; it says so itself where that is wrong. */
  readonly oldSize: bigint
  readonly tiles: HashSource
  /** Size of the newest head that is published at that moment. */
  readonly newest: () => Promise<bigint>
  readonly signal: AbortSignal
}

/** Once to learn a size, once with the proof, and once more for another sealer that came between. */
const maxAttempts = 3

const proofFrom = async (oldSize: bigint, { size, root }: HeadToWitness, tiles: HashSource): Promise<readonly Buffer[] | undefined> => {
  if (oldSize === 0n || oldSize === size) return []
  const [proof, oldRoot] = await Promise.all([consistencyProof(oldSize, size, tiles), rootAt(oldSize, tiles)])
  const proven = verifyConsistency({ firstSize: oldSize, secondSize: size, firstRoot: oldRoot, secondRoot: root, proof })
  return proven ? proof : undefined
}

/** Rejects only where our own store cannot be read. */
export const submitHead = async (options: SubmissionOptions): Promise<SubmissionOutcome> => {
  const { client, head, oldSize: known, tiles, newest, signal } = options
  const text = parseNote(head.note)?.text
  if (text === undefined || parseCheckpoint(text)?.size !== head.size) return { kind: 'unproven', size: head.size }
  let oldSize = known > head.size ? 0n : known
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const proof = await proofFrom(oldSize, head, tiles)
    // Of nobody's doing but our own: a witness need not be asked.
    if (proof === undefined) return { kind: 'unproven', size: oldSize }
    const reply = await client.addCheckpoint({ oldSize, proof, note: head.note, text }, signal)
    if (reply.kind === 'not_proven') return { kind: 'disagrees', size: oldSize }
    if (reply.kind !== 'conflict') return reply
    if (reply.size > head.size) return reply.size <= (await newest()) ? { kind: 'superseded' } : { kind: 'ahead', size: reply.size }
    // Drafts before v1.0.0 answer so where the size is the same and the root is not.
    if (reply.size === oldSize && oldSize === head.size) return { kind: 'disagrees', size: oldSize }
    if (reply.size === oldSize) return { kind: 'nonsense', why: 'a conflict with the size that it named itself' }
    oldSize = reply.size
  }
  return { kind: 'nonsense', why: 'one conflict after the other' }
}
