/** Signature types of signed notes (C2SP signed-note v1.0.0, tlog-cosignature v1.1.0-rc.1) that are read here, and how each is verified. */
import { createPublicKey, verify } from 'node:crypto'
import { parseCheckpoint } from './checkpoint.ts'
import { ed25519CosignatureMessage, mlDsaCosignatureMessage, splitTimestamp } from './cosignature-message.ts'

export const signatureType = {
  /** Ed25519 over the text. */
  ed25519: 0x01,
  /** Timestamped Ed25519 cosignature of a checkpoint. */
  cosignature: 0x04,
  /** Timestamped ML-DSA-44 cosignature of a checkpoint. */
  mlDsaCosignature: 0x06,
} as const

/** SubjectPublicKeyInfo (DER) up to the key itself, and the length of a key. */
interface KeyEncoding {
  readonly prefix: Buffer
  readonly length: number
}

const ed25519Key: KeyEncoding = { prefix: Buffer.from('302a300506032b6570032100', 'hex'), length: 32 }
const mlDsa44Key: KeyEncoding = { prefix: Buffer.from('30820532300b06096086480165030403110382052100', 'hex'), length: 1312 }

const encodings: ReadonlyMap<number, KeyEncoding> = new Map([
  [signatureType.ed25519, ed25519Key],
  [signatureType.cosignature, ed25519Key],
  [signatureType.mlDsaCosignature, mlDsa44Key],
])

/** Bytes of a public key of that type; undefined for a type that is not read here. */
export const publicKeyLength = (type: number): number | undefined => encodings.get(type)?.length

/** What a signature of that type is made over, and the signature itself; undefined where the text or the signature cannot be such a one. */
const signed = (type: number, name: string, text: string, signature: Buffer): { message: Buffer; bare: Buffer } | undefined => {
  if (type === signatureType.ed25519) return { message: Buffer.from(text, 'utf8'), bare: signature }
  const checkpoint = parseCheckpoint(text)
  const split = splitTimestamp(signature)
  if (checkpoint === undefined || split === undefined) return undefined
  const { timestamp, signature: bare } = split
  if (type === signatureType.cosignature) return { message: ed25519CosignatureMessage(text, timestamp), bare }
  const message = mlDsaCosignatureMessage(name, timestamp, checkpoint)
  return message && { message, bare }
}

/** Whether a key made a signature (without the key id in front) of a note's text. False for types that are not read here. */
export const verifySignature = (
  { name, type, publicKey }: { readonly name: string; readonly type: number; readonly publicKey: Buffer },
  text: string,
  signature: Buffer,
): boolean => {
  const encoding = encodings.get(type)
  if (encoding === undefined || publicKey.length !== encoding.length) return false
  const { message, bare } = signed(type, name, text, signature) ?? {}
  if (message === undefined || bare === undefined) return false
  const key = createPublicKey({ key: Buffer.concat([encoding.prefix, publicKey]), format: 'der', type: 'spki' })
  return verify(null, message, key, bare)
}
