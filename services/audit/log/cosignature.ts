/** A witness's word below a checkpoint: that it saw this head, consistent with all it saw before, at that time (C2SP tlog-cosignature). */
import { type KeyObject, sign } from 'node:crypto'
import { ed25519CosignatureMessage, joinTimestamp, splitTimestamp } from './cosignature-message.ts'
import { type NoteSignature, type VerifierKey, verifierKeyOf } from './note.ts'
import { signatureType, verifySignature } from './signature-type.ts'

/** The verifier key (type 0x04) of a witness's Ed25519 key. One key a witness: what it signs does not say its name. */
export const cosignerKeyOf = (name: string, key: KeyObject): VerifierKey => verifierKeyOf(name, key, signatureType.cosignature)

/** Cosigns the text of a checkpoint with an Ed25519 key (type 0x04). `timestamp` in seconds since the epoch. */
export const signCosignature = (checkpointText: string, name: string, privateKey: KeyObject, timestamp: bigint): NoteSignature => ({
  name,
  keyId: cosignerKeyOf(name, privateKey).keyId,
  signature: joinTimestamp(timestamp, sign(null, ed25519CosignatureMessage(checkpointText, timestamp), privateKey)),
})

/** The time that a cosignature (0x04 or 0x06) says, seconds since the epoch; believed only of one that verifies. */
export const cosignatureTimestamp = ({ signature }: NoteSignature): bigint | undefined => splitTimestamp(signature)?.timestamp

/** Whether that witness (0x04 or 0x06) made this cosignature of the text of a checkpoint. */
export const verifyCosignature = (checkpointText: string, cosignature: NoteSignature, key: VerifierKey): boolean =>
  key.type !== signatureType.ed25519 &&
  key.name === cosignature.name &&
  key.keyId === cosignature.keyId &&
  verifySignature(key, checkpointText, cosignature.signature)
