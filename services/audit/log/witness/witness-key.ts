/** The one key of a witness, in its directory as a JSON Web Key (RFC 8037) whose `kid` is the witness's name. */
import { createPrivateKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../../../kernel/replace-file.ts'
import { StartError } from '../../../kernel/start-error.ts'
import { cosignerKeyOf } from '../cosignature.ts'
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from '../note.ts'

export interface WitnessKey {
  readonly name: string
  readonly privateKey: KeyObject
  /** Type 0x04. */
  readonly verifierKey: VerifierKey
}

const keyFile = (directory: string): string => join(directory, 'witness-key.json')

const witnessKey = (name: string, privateKey: KeyObject): WitnessKey => ({
  name,
  privateKey,
  verifierKey: cosignerKeyOf(name, privateKey),
})

/** Whether a name can stand in signed notes (C2SP signed-note v1.0.0, "Signatures") and in a line of a policy. */
export const isWitnessName = (name: string): boolean => {
  const { privateKey } = generateKeyPairSync('ed25519')
  return name.length <= 255 && parseVerifierKey(formatVerifierKey(cosignerKeyOf(name, privateKey))) !== undefined
}

const isMissing = (thrown: unknown): boolean => (thrown as NodeJS.ErrnoException).code === 'ENOENT'

/** Undefined where the directory has none. Throws StartError for one that cannot be read or is damaged. */
export const readWitnessKey = async (directory: string): Promise<WitnessKey | undefined> => {
  const file = keyFile(directory)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw new StartError(`The witness's key ${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'}.`, {
      cause,
    })
  }
  try {
    const { kid, ...key } = JSON.parse(text) as JsonWebKey & { readonly kid?: unknown }
    if (typeof kid !== 'string' || !isWitnessName(kid)) throw new Error('kid is not a name')
    const privateKey = createPrivateKey({ key, format: 'jwk' })
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('another kind of key')
    return witnessKey(kid, privateKey)
  } catch {
    // What is said about a key must never quote it.
    throw new StartError(`The witness's key ${file} is damaged. Put back a copy of it, or begin a new witness in another directory.`)
  }
}

/** Makes the key of a directory that has none. Whoever calls holds the directory's lock. */
export const makeWitnessKey = async (directory: string, name: string): Promise<WitnessKey> => {
  const { privateKey } = generateKeyPairSync('ed25519')
  await replaceFile(keyFile(directory), `${JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: name })}\n`)
  return witnessKey(name, privateKey)
}
