/** What the database holds of a checkpoint is believed as far as it is signed: by a key of the log, and by witnesses that are configured. */
import { parseCheckpoint } from '../checkpoint.ts'
import { verifyCosignature } from '../cosignature.ts'
import type { PublishedCheckpoint, StoredCosignature } from '../log-store.ts'
import { parseSignature, type VerifierKey, verifyNote } from '../note.ts'
import { isSatisfied, type WitnessPolicy } from '../witness-policy.ts'

/** A checkpoint that was found to be signed. */
export interface OpenedCheckpoint {
  readonly origin: string
  readonly size: bigint
  /** 32 bytes. */
  readonly root: Buffer
  /** The signed note, with the cosignatures of `witnesses`. */
  readonly note: string
  /** By the clock of the database, milliseconds since the epoch. */
  readonly publishedAt: number
  /** Keys of the log that have signed it, in the order of those given. */
  readonly signedBy: readonly VerifierKey[]
  /** Names, as in the policy, of the witnesses that have cosigned it. */
  readonly witnesses: readonly string[]
  /** Whether these are enough for the policy; false without one. */
  readonly quorum: boolean
}

export interface CheckpointToOpen {
  readonly checkpoint: PublishedCheckpoint
  readonly cosignatures: readonly StoredCosignature[]
  readonly origin: string
  /** Of the log. */
  readonly keys: readonly VerifierKey[]
  readonly policy: WitnessPolicy | undefined
}

/** Witnesses with the line of each, in the order of the policy; lines that nobody configured has signed are left out. */
const cosigned = (text: string, cosignatures: readonly StoredCosignature[], policy: WitnessPolicy | undefined) => {
  const signatures = cosignatures.map(({ line }) => ({ line, signature: parseSignature(line) }))
  return (policy?.witnesses ?? []).flatMap(({ name, key }) => {
    const found = signatures.find(({ signature }) => signature !== undefined && verifyCosignature(text, signature, key))
    return found === undefined ? [] : [{ name, line: found.line }]
  })
}

/** Undefined unless a key of the log has signed the note, and it says of the log's origin what stands beside it. */
export const openCheckpoint = (given: CheckpointToOpen): OpenedCheckpoint | undefined => {
  const { checkpoint, cosignatures, origin, keys, policy } = given
  const verified = verifyNote(checkpoint.note, keys)
  const head = verified.kind === 'verified' ? parseCheckpoint(verified.text) : undefined
  if (verified.kind !== 'verified' || head?.origin !== origin) return undefined
  if (head.size !== checkpoint.size || !head.root.equals(checkpoint.root)) return undefined
  const below = cosigned(verified.text, cosignatures, policy)
  const witnesses = below.map(({ name }) => name)
  return {
    origin,
    size: head.size,
    root: head.root,
    note: `${checkpoint.note}${below.map(({ line }) => `${line}\n`).join('')}`,
    publishedAt: checkpoint.publishedAt,
    signedBy: keys.filter((key) => verified.by.includes(key)),
    witnesses,
    quorum: policy !== undefined && isSatisfied(policy, witnesses),
  }
}
