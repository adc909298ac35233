/** What the ledger itself says of its log: keys that were added, and logs that were begun anew. */
import { parseVerifierKey, type VerifierKey } from '../note.ts'

export interface KeyAdded {
  readonly revision: bigint
  readonly key: VerifierKey
  /** Keys that it follows. */
  readonly retiring: readonly VerifierKey[]
}

export interface Restarted {
  readonly revision: bigint
  readonly retiredOrigin: string
  readonly origin: string
  readonly signedSize: string
  readonly cause: string
}

const keyAdded = Buffer.from('"type":"chartwarden.log.keyadded.v1"}')
const restarted = Buffer.from('"type":"chartwarden.log.restarted.v1"}')

const endsWith = (bytes: Uint8Array, end: Buffer): boolean =>
  bytes.length >= end.length && end.compare(bytes, bytes.length - end.length) === 0

const fromEnd = (end: Buffer): number => end.length - end.indexOf('log.')
const [fromKeyAdded, fromRestarted] = [fromEnd(keyAdded), fromEnd(restarted)]
const [l, o] = Buffer.from('lo')

/** Whether the entry that ends there may be one of these: told at a glance, since every entry is asked. */
export const mayTellOfLog = (bytes: Uint8Array, end: number): boolean =>
  (bytes[end - fromKeyAdded] === l && bytes[end - fromKeyAdded + 1] === o) ||
  (bytes[end - fromRestarted] === l && bytes[end - fromRestarted + 1] === o)

const dataOf = (bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined => {
  try {
    const { data } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { readonly data?: unknown }
    return typeof data === 'object' && data !== null ? (data as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}

/** Undefined for any other entry, and for one that does not say what it should. */
export const keyAddedOf = (revision: bigint, bytes: Uint8Array): KeyAdded | undefined => {
  if (!endsWith(bytes, keyAdded)) return undefined
  const { verifier_key: text, retiring } = dataOf(bytes) ?? {}
  const key = typeof text === 'string' ? parseVerifierKey(text) : undefined
  if (key === undefined || !Array.isArray(retiring)) return undefined
  const keys = retiring.map((each) => (typeof each === 'string' ? parseVerifierKey(each) : undefined))
  return { revision, key, retiring: keys.filter((each) => each !== undefined) }
}

/** The same for a log that was begun anew. */
export const restartedOf = (revision: bigint, bytes: Uint8Array): Restarted | undefined => {
  if (!endsWith(bytes, restarted)) return undefined
  const { retired_origin: retiredOrigin, origin, signed_size: signedSize, cause } = dataOf(bytes) ?? {}
  if (typeof retiredOrigin !== 'string' || typeof origin !== 'string') return undefined
  return { revision, retiredOrigin, origin, signedSize: String(signedSize), cause: String(cause) }
}
