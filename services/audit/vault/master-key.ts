import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'

/** The key that wraps every other key. Only wrapped keys are ever stored, so that rotating it only rewraps. */
export interface MasterKey {
  /** `associated` binds the wrapped key to its owner: it does not unwrap in another one's place. */
  wrap(key: Uint8Array, associated: string): Buffer
  /** Throws INTERNAL when the bytes were wrapped under another master key, for another owner, or were changed. */
  unwrap(wrapped: Uint8Array, associated: string): Buffer
}

const version = 1
const fingerprintLength = 8
const nonceLength = 12
const tagLength = 16
const nonceStart = 1 + fingerprintLength
const ciphertextStart = nonceStart + nonceLength

/** Format: version (1 byte), fingerprint of the master key (8), nonce (12), AES-256-GCM ciphertext, tag (16). */
export const createMasterKey = (key: Uint8Array, randomness: Randomness): MasterKey => {
  if (key.length !== 32) throw new RangeError('a master key has 32 bytes')
  const fingerprint = createHash('sha256').update('chartwarden master key v1\n').update(key).digest().subarray(0, fingerprintLength)
  return {
    wrap: (plain, associated) => {
      const nonce = randomness.bytes(nonceLength)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(associated, 'utf8'))
      return Buffer.concat([Uint8Array.of(version), fingerprint, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },
    unwrap: (wrapped, associated) => {
      const bytes = Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.byteLength)
      if (bytes[0] !== version) throw new ChartwardenError('INTERNAL', { cause: new Error('a stored key has an unknown format') })
      if (!bytes.subarray(1, nonceStart).equals(fingerprint)) {
        throw new ChartwardenError('INTERNAL', { cause: new Error('a stored key was wrapped under another master key') })
      }
      const tag = bytes.subarray(bytes.length - tagLength)
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(nonceStart, ciphertextStart))
        .setAAD(Buffer.from(associated, 'utf8'))
        .setAuthTag(tag)
      try {
        return Buffer.concat([decipher.update(bytes.subarray(ciphertextStart, bytes.length - tagLength)), decipher.final()])
      } catch (cause) {
        throw new ChartwardenError('INTERNAL', { cause: new Error('a stored key does not authenticate', { cause }) })
      }
    },
  }
}
