/** The hashes of the tree (RFC 6962, section 2.1; RFC 9162, section 2.1.1): SHA-256 with a prefix that keeps leaves and nodes apart. */
import { createHash, hash } from 'node:crypto'

/** Bytes of a hash. */
export const hashLength = 32

const leafPrefix = Uint8Array.of(0)
const nodePrefix = Uint8Array.of(1)

/** Root of the tree without entries: SHA-256 of nothing. */
export const emptyRoot = (): Buffer => hash('sha256', '', 'buffer')

/** SHA-256(0x00 || entry). */
export const leafHash = (bytes: Uint8Array): Buffer => hash('sha256', Buffer.concat([leafPrefix, bytes]), 'buffer')

/** The same in hexadecimal, in half the time: without a copy of the entry. */
export const leafHashHex = (bytes: Uint8Array): string => createHash('sha256').update(leafPrefix).update(bytes).digest('hex')

/** SHA-256(0x01 || left || right). */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => hash('sha256', Buffer.concat([nodePrefix, left, right]), 'buffer')
