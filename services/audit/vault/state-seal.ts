import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { Randomness } from '../../kernel/ids.ts'
import type { ClinicVault, StateContext } from '../vault.ts'

const label = 'chartwarden state snapshot v1'
const nonceLength = 12
const tagLength = 16

const associatedData = ({ clinic, format, stateRevision }: StateContext): Buffer =>
  Buffer.from(`${label}\n${clinic}\n${format}\n${stateRevision}`, 'utf8')

/**
 * Seals folded states with AES-256-GCM under a key of their own, derived (HKDF-SHA-256, RFC 5869) from a key of the clinic that is never
 * rotated. Layout: nonce (12 bytes), ciphertext, tag (16).
 */
export const createStateSeal = (clinicKey: KeyObject, randomness: Randomness): Pick<ClinicVault, 'sealState' | 'openState'> => {
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', clinicKey, '', label, 32)))
  return {
    sealState: (context, bytes) => {
      const nonce = randomness.bytes(nonceLength)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associatedData(context))
      return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
    },
    openState: (context, sealed) => {
      const ciphertextEnd = sealed.length - tagLength
      if (ciphertextEnd < nonceLength) return undefined
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceLength), { authTagLength: tagLength })
        .setAAD(associatedData(context))
        .setAuthTag(sealed.subarray(ciphertextEnd))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(nonceLength, ciphertextEnd)), decipher.final()])
      } catch {
        return undefined
      }
    },
  }
}
