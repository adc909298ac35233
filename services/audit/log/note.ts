/**
 * Text signed by one or more keys (C2SP signed-note v1.0.0). The text of a note that was only parsed is nobody's word: it counts once
 * `verifyNote` has found the signature of a key that was trusted before.
 */
import { createPublicKey, hash, type KeyObject, sign } from 'node:crypto'
import { ChartwardenError } from '../../kernel/errors.ts'
import { parseBase64 } from './base64.ts'
import { publicKeyLength, signatureType, verifySignature } from './signature-type.ts'

export interface VerifierKey {
  /** Who signs: for a log its origin. */
  readonly name: string
  /** The first 32 bits of a hash; with the name it says which key made a signature. */
  readonly keyId: number
  /** One of `signatureType`. */
  readonly type: number
  /** Bare, without an encoding around it. */
  readonly publicKey: Buffer
}

export interface NoteSignature {
  readonly name: string
  readonly keyId: number
  /** Without the key id in front of it. */
  readonly signature: Buffer
}

export interface Note {
  /** Its last line feed included. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

export type NoteVerification =
  /** `by`: the keys that signed, each once. `signatures`: theirs, in the order of the note. */
  | {
      readonly kind: 'verified'
      readonly text: string
      readonly by: readonly VerifierKey[]
      readonly signatures: readonly NoteSignature[]
    }
  | { readonly kind: 'malformed' }
  /** Well formed, but none of the keys has signed it. */
  | { readonly kind: 'unknown_keys' }
  /** Names this key, which did not sign it: nothing in it is to be believed. */
  | { readonly kind: 'bad_signature'; readonly key: VerifierKey }

/** Signatures that a note may carry; every reader takes at least 16. */
export const maxSignatures = 100

/** Characters of a note. */
const maxLength = 1_000_000

const keyIdLength = 4

// biome-ignore lint/suspicious/noControlCharactersInRegex: the control characters are what is looked for.
const controlCharacter = /[\0-\x09\x0b-\x1f]/

const isName = (text: string): boolean =>
  text !== '' && text.isWellFormed() && !/[+\p{White_Space}]/u.test(text) && !controlCharacter.test(text)

const isText = (text: string): boolean => text.endsWith('\n') && text.isWellFormed() && !controlCharacter.test(text)

/** The first four bytes of SHA-256(name || 0x0A || type || key). */
export const keyIdOf = (name: string, type: number, publicKey: Uint8Array): number =>
  hash('sha256', Buffer.concat([Buffer.from(`${name}\n`, 'utf8'), Uint8Array.of(type), publicKey]), 'buffer').readUInt32BE()

/** `name+<key id in hexadecimal>+base64(type || key)`. */
export const formatVerifierKey = ({ name, keyId, type, publicKey }: VerifierKey): string =>
  `${name}+${keyId.toString(16).padStart(8, '0')}+${Buffer.concat([Uint8Array.of(type), publicKey]).toString('base64')}`

/** Undefined unless it is well formed, its key id is the one of its name and key, and its type is one of `signatureType`. */
export const parseVerifierKey = (text: string): VerifierKey | undefined => {
  const [, name = '', keyIdText = '', encoded = ''] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/s.exec(text) ?? []
  const bytes = parseBase64(encoded)
  const type = bytes?.[0]
  if (!isName(name) || bytes === undefined || type === undefined) return undefined
  const publicKey = bytes.subarray(1)
  const keyId = Number.parseInt(keyIdText, 16)
  if (publicKey.length !== publicKeyLength(type) || keyIdOf(name, type, publicKey) !== keyId) return undefined
  return { name, keyId, type, publicKey }
}

/** The verifier key of an Ed25519 key, private or public, under a name. */
export const verifierKeyOf = (name: string, key: KeyObject, type: number = signatureType.ed25519): VerifierKey => {
  const { x = '' } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  const publicKey = Buffer.from(x, 'base64url')
  return { name, keyId: keyIdOf(name, type, publicKey), type, publicKey }
}

/** A line below the note, without its line feed. */
export const formatSignature = ({ name, keyId, signature }: NoteSignature): string => {
  const head = Buffer.alloc(keyIdLength)
  head.writeUInt32BE(keyId)
  return `\u2014 ${name} ${Buffer.concat([head, signature]).toString('base64')}`
}

/** The reverse of `formatSignature`; undefined for a line that is not exactly of that form. */
export const parseSignature = (line: string): NoteSignature | undefined => {
  const [, name = '', encoded = ''] = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line) ?? []
  const bytes = parseBase64(encoded)
  if (!isName(name) || bytes === undefined || bytes.length <= keyIdLength) return undefined
  return { name, keyId: bytes.readUInt32BE(), signature: bytes.subarray(keyIdLength) }
}

/** Throws where no note could hold this: a text without a last line feed or with control characters, no or too many signatures. */
export const formatNote = (text: string, signatures: readonly NoteSignature[]): string => {
  if (!isText(text) || signatures.length === 0 || signatures.length > maxSignatures || signatures.some(({ name }) => !isName(name)))
    throw new ChartwardenError('INTERNAL', { cause: new Error('no signed note can hold this text or these signatures') })
  return `${text}\n${signatures.map((signature) => `${formatSignature(signature)}\n`).join('')}`
}

/** A note from outside; undefined where it is not valid UTF-8. */
export const decodeNote = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Undefined unless the whole note is well formed. Verifies nothing. */
export const parseNote = (note: string): Note | undefined => {
  if (note.length > maxLength || !isText(note)) return undefined
  const split = note.lastIndexOf('\n\n')
  if (split === -1) return undefined
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > maxSignatures) return undefined
  const signatures = lines.map(parseSignature)
  return signatures.every((signature) => signature !== undefined) ? { text: note.slice(0, split + 1), signatures } : undefined
}

/** Whether keys trusted before have signed the note. Signatures of other keys are ignored; one of a trusted key that fails refuses the note. */
export const verifyNote = (note: string, keys: readonly VerifierKey[]): NoteVerification => {
  const parsed = parseNote(note)
  if (parsed === undefined) return { kind: 'malformed' }
  const by = new Set<VerifierKey>()
  const verified: NoteSignature[] = []
  for (const signature of parsed.signatures) {
    const named = keys.filter(({ name, keyId }) => name === signature.name && keyId === signature.keyId)
    const [first] = named
    if (first === undefined) continue
    const signer = named.find((key) => verifySignature(key, parsed.text, signature.signature))
    if (signer === undefined) return { kind: 'bad_signature', key: first }
    by.add(signer)
    verified.push(signature)
  }
  return by.size === 0 ? { kind: 'unknown_keys' } : { kind: 'verified', text: parsed.text, by: [...by], signatures: verified }
}

/** Signs a text with an Ed25519 key (type 0x01). */
export const signNote = (text: string, name: string, privateKey: KeyObject): NoteSignature => ({
  name,
  keyId: verifierKeyOf(name, privateKey).keyId,
  signature: sign(null, Buffer.from(text, 'utf8'), privateKey),
})
