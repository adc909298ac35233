import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import { StartError } from '../../kernel/start-error.ts'

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

const decode = (text: string): Buffer => {
  const trimmed = text.trim()
  return /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64')
}

/** Reads 32 bytes from a file, as base64 or hex text. Throws StartError, which names the file and never its content. */
export const readMasterKeyFile = async (file: string): Promise<Buffer> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new StartError(`The master key file ${file} cannot be read: ${code ?? 'unknown reason'}.`, { cause })
  }
  const key = decode(text)
  if (key.length !== 32) throw new StartError(`The master key file ${file} must hold 32 bytes as base64 or hex.`)
  return key
}

/** As `readMasterKeyFile`; makes the file (readable by its owner alone) when it does not exist. For development and embedded use. */
export const readOrCreateMasterKeyFile = async (file: string, randomness: Randomness): Promise<Buffer> => {
  await mkdir(dirname(file), { recursive: true })
  try {
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(`${Buffer.from(randomness.bytes(32)).toString('base64')}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readMasterKeyFile(file)
}
