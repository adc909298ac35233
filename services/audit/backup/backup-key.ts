/**
 * What makes a backup this installation's own: keys derived from its master key (HKDF-SHA-256). One authenticates manifests, so that nobody
 * who can only write into the store can make up a backup or change one; the other seals what the writer itself must read again, which
 * whoever encrypts to recipients could not.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

export interface BackupKey {
  /** HMAC-SHA-256. */
  mac(text: string): Buffer
  isMac(text: string, mac: Uint8Array): boolean
  /** AES-256-GCM under a nonce of 12 bytes that is never used again; bound to the name. */
  seal(bytes: Uint8Array, name: string, nonce: Uint8Array): Buffer
  /** Undefined: not sealed under this key and name. */
  open(sealed: Uint8Array, name: string): Buffer | undefined
}

const nonceLength = 12
const tagLength = 16

/** From the 32 bytes of the master key. */
export const createBackupKey = (masterKey: Uint8Array): BackupKey => {
  const derive = (label: string): Buffer => Buffer.from(hkdfSync('sha256', masterKey, '', label, 32))
  const macKey = derive('chartwarden backup manifests v1')
  const sealKey = derive('chartwarden backup clinics v1')
  const mac = (text: string): Buffer => createHmac('sha256', macKey).update(text, 'utf8').digest()
  return {
    mac,
    isMac: (text, given) => given.length === 32 && timingSafeEqual(mac(text), given),
    seal: (bytes, name, nonce) => {
      const cipher = createCipheriv('aes-256-gcm', sealKey, nonce).setAAD(Buffer.from(name, 'utf8'))
      return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
    },
    open: (sealed, name) => {
      if (sealed.length < nonceLength + tagLength) return undefined
      const end = sealed.length - tagLength
      const decipher = createDecipheriv('aes-256-gcm', sealKey, sealed.subarray(0, nonceLength))
        .setAAD(Buffer.from(name, 'utf8'))
        .setAuthTag(sealed.subarray(end))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(nonceLength, end)), decipher.final()])
      } catch {
        return undefined
      }
    },
  }
}
