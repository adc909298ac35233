/** Whose word a checkpoint is. */
import { cosignatureTimestamp, verifyCosignature } from '../cosignature.ts'
import { keyIdOf, parseNote, type VerifierKey, verifyNote } from '../note.ts'
import { signatureType } from '../signature-type.ts'
import { isSatisfied, type WitnessPolicy } from '../witness-policy.ts'
import type { KeyAdded } from './log-events.ts'

export type Signed =
  /** By a key that the caller trusts, or one that such a key vouches for. */
  | { readonly kind: 'trusted'; readonly keys: readonly VerifierKey[] }
  /** By a key that only what is checked shows. */
  | { readonly kind: 'shown'; readonly keys: readonly VerifierKey[] }
  /** By none of these. */
  | { readonly kind: 'unknown' }
  /** Names one of them, which did not sign it. */
  | { readonly kind: 'bad' }
  /** There is no key to check it with. */
  | { readonly kind: 'unchecked' }

export interface Keys {
  /** Given from outside. */
  readonly trusted: readonly VerifierKey[]
  /** As what is checked shows them. */
  readonly shown: readonly VerifierKey[]
}

const sameKey = (one: VerifierKey, other: VerifierKey): boolean => one.type === other.type && one.publicKey.equals(other.publicKey)

const isIn = (keys: readonly VerifierKey[], key: VerifierKey): boolean => keys.some((each) => sameKey(each, key))

/** A key of the log signs; a witness's only says what it saw. */
const ofLog = ({ type }: VerifierKey): boolean => type === signatureType.ed25519

/** Keys of a clinic's log, also under the origin that the log has after it was begun anew: the keys stay the clinic's. */
const under = (origin: string, keys: readonly VerifierKey[]): readonly VerifierKey[] => {
  const stem = origin.replace(/(\/v1\/clinics\/[^/]+\/log)\/[1-9]\d*$/, '$1')
  return keys.filter(ofLog).flatMap((key) => {
    if (key.name === origin || (key.name !== stem && !key.name.startsWith(`${stem}/`))) return [key]
    return [key, { ...key, name: origin, keyId: keyIdOf(origin, key.type, key.publicKey) }]
  })
}

/** `origin`: of the checkpoint, the first line of its text. */
export const signersOf = (note: string, origin: string, { trusted, shown }: Keys): Signed => {
  const known = under(origin, trusted)
  const byTrusted = verifyNote(note, known)
  if (byTrusted.kind === 'verified') return { kind: 'trusted', keys: byTrusted.by }
  if (byTrusted.kind === 'bad_signature') return { kind: 'bad' }
  const others = under(origin, shown)
  if (known.length === 0 && others.length === 0) return { kind: 'unchecked' }
  const byShown = verifyNote(note, others)
  if (byShown.kind === 'verified') return { kind: 'shown', keys: byShown.by }
  return { kind: byShown.kind === 'bad_signature' ? 'bad' : 'unknown' }
}

/**
 * The trusted keys, and those that entries add which checkpoints signed by them cover. `covered`: up to which size the entries agree with
 * the checkpoints that these keys have signed.
 */
export const vouchedKeys = (
  trusted: readonly VerifierKey[],
  added: readonly KeyAdded[],
  covered: (keys: readonly VerifierKey[]) => bigint,
): readonly VerifierKey[] => {
  let keys = trusted
  for (;;) {
    const size = covered(keys)
    const more = added.filter(
      ({ revision, key, retiring }) => revision < size && !isIn(keys, key) && retiring.some((old) => isIn(keys, old)),
    )
    if (more.length === 0) return keys
    keys = [...keys, ...more.map(({ key }) => key)]
  }
}

export interface Cosigner {
  /** Of the key. */
  readonly name: string
  /** When it says it saw the checkpoint, RFC 3339. */
  readonly time: string
}

/** Witnesses of the policy whose cosignature of the note verifies. */
export const cosignersOf = (note: string, policy: WitnessPolicy): { readonly cosigners: readonly Cosigner[]; readonly quorum: boolean } => {
  const parsed = parseNote(note)
  const names = new Set<string>()
  const cosigners: Cosigner[] = []
  for (const signature of parsed?.signatures ?? []) {
    for (const { name, key } of policy.witnesses) {
      if (parsed === undefined || names.has(name) || !verifyCosignature(parsed.text, signature, key)) continue
      names.add(name)
      const seconds = Number(cosignatureTimestamp(signature) ?? 0n)
      const time = new Date(seconds * 1000)
      cosigners.push({ name: key.name, time: Number.isNaN(time.getTime()) ? `${seconds} s` : time.toISOString() })
    }
  }
  return { cosigners, quorum: policy.quorum !== 'none' && isSatisfied(policy, names) }
}
