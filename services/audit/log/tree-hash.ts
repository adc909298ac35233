/**
 * The hashes of the tree (RFC 6962, section 2.1; RFC 9162, section 2.1.1): SHA-256 with a prefix that keeps leaves and nodes apart. Messages
 * are put together in buffers of this module and hashes come out of OpenSSL as text, which takes half the time of new buffers for both;
 * nothing that is put there outlives the call.
 */
import { hash } from 'node:crypto'
import { maxEntryBytes } from '../ledger.ts'

/** Bytes of a hash. */
export const hashLength = 32

/** Ahead of an entry. */
export const leafPrefix = 0
const nodePrefix = 1

const sharedMessage = Buffer.alloc(1 + maxEntryBytes, leafPrefix)
const nodeMessage = Buffer.alloc(1 + 2 * hashLength, nodePrefix)

/** Messages of up to so many bytes have views that are kept: making one takes longer than copying an entry. */
const viewedBytes = 4_096
const views = new Array<Uint8Array | undefined>(viewedBytes + 1)

const leafMessageOf = (bytes: Uint8Array): Uint8Array => {
  const length = 1 + bytes.length
  if (length > sharedMessage.length) return leafMessage(bytes)
  sharedMessage.set(bytes, 1)
  const view = views[length] ?? sharedMessage.subarray(0, length)
  if (length <= viewedBytes) views[length] = view
  return view
}

/** Root of the tree without entries: SHA-256 of nothing. */
export const emptyRoot = (): Buffer => hash('sha256', '', 'buffer')

/** SHA-256(0x00 || entry) in Latin-1, a character for each byte: the fastest form where many are gathered and then made bytes at once. */
export const leafHashLatin1 = (bytes: Uint8Array): string => hash('sha256', leafMessageOf(bytes), 'binary')

/** An entry behind the prefix of its leaf: what is hashed. */
export const leafMessage = (bytes: Uint8Array): Buffer => Buffer.concat([Uint8Array.of(leafPrefix), bytes])

/** The same as `leafHashLatin1` of bytes that begin with the prefix already. */
export const leafMessageHash = (message: Uint8Array): string => hash('sha256', message, 'binary')

/** SHA-256(0x00 || entry). */
export const leafHash = (bytes: Uint8Array): Buffer => Buffer.from(leafHashLatin1(bytes), 'latin1')

/** The same in hexadecimal. */
export const leafHashHex = (bytes: Uint8Array): string => hash('sha256', leafMessageOf(bytes), 'hex')

/** SHA-256(0x01 || left || right). */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => {
  if (left.length !== hashLength || right.length !== hashLength) {
    return hash('sha256', Buffer.concat([Uint8Array.of(nodePrefix), left, right]), 'buffer')
  }
  nodeMessage.set(left, 1)
  nodeMessage.set(right, 1 + hashLength)
  return Buffer.from(hash('sha256', nodeMessage, 'binary'), 'latin1')
}
