/** What is done with a key once it is unwrapped. */
import { createCipheriv, createDecipheriv, createHash, createHmac, type KeyObject } from 'node:crypto'
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts'
import type { Identity, Pseudonym, SealContext, Sealed } from '../vault.ts'

const tagLength = 16

/** What `identity introduced` says of a data key, so that one handed out can be checked. */
export const commitmentOf = (key: Uint8Array): string =>
  createHash('sha256').update('chartwarden data key commitment v1\n').update(key).digest('base64url')

/** What a pseudonym is made of. */
export const identityName = ({ kind, type, id }: Identity): string => canonicalJson([kind, type, id])

export const pseudonymUnder = (pseudonymKey: KeyObject, name: string): Pseudonym =>
  createHmac('sha256', pseudonymKey).update(name, 'utf8').digest('base64url') as Pseudonym

export const requestDigestUnder = (digestKey: KeyObject, canonicalRequest: string): Buffer =>
  createHmac('sha256', digestKey).update(canonicalRequest, 'utf8').digest()

const associatedData = ({ clinic, entryId, entryType }: SealContext): Buffer => Buffer.from(`${clinic}\n${entryId}\n${entryType}`, 'utf8')

/** `nonce`: 12 bytes. */
export const sealUnder = (key: KeyObject, kid: Pseudonym, context: SealContext, value: JsonValue, nonce: Uint8Array): Sealed => {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associatedData(context))
  const ct = Buffer.concat([cipher.update(canonicalJson(value), 'utf8'), cipher.final(), cipher.getAuthTag()])
  return { kid, nonce: Buffer.from(nonce).toString('base64url'), ct: ct.toString('base64url') }
}

/** Throws unless these bytes were sealed under this key for this place. */
export const openUnder = (key: KeyObject, sealed: Sealed, context: SealContext): JsonValue => {
  const bytes = Buffer.from(sealed.ct, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(sealed.nonce, 'base64url'))
    .setAAD(associatedData(context))
    .setAuthTag(bytes.subarray(bytes.length - tagLength))
  const plain = Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - tagLength)), decipher.final()])
  return JSON.parse(plain.toString('utf8')) as JsonValue
}
