/** Bundles of entries (C2SP tlog-tiles v0.1.0, "Log entries"): each entry behind its length, two bytes with the higher one first. */
import { maxEntryBytes } from '../ledger.ts'
import { leafMessageHash, leafPrefix } from './tree-hash.ts'

/** Bytes of a length. */
const prefixBytes = 2

/** The bundle of these entries, in their order. Throws RangeError for one above 65,535 bytes. */
export const formatBundle = (entries: readonly Uint8Array[]): Buffer => {
  const bundle = Buffer.allocUnsafe(entries.reduce((bytes, entry) => bytes + prefixBytes + entry.length, 0))
  let offset = 0
  for (const entry of entries) {
    if (entry.length > maxEntryBytes) throw new RangeError(`an entry has at most ${maxEntryBytes} bytes`)
    offset = bundle.writeUInt16BE(entry.length, offset)
    bundle.set(entry, offset)
    offset += entry.length
  }
  return bundle
}

/** Views of the entries, each with so many of the bytes ahead of it. */
const viewsOf = (bytes: Uint8Array, ahead: number): Buffer[] | undefined => {
  const bundle = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: Buffer[] = []
  let offset = 0
  while (offset < bundle.length) {
    const start = offset + prefixBytes
    if (start > bundle.length) return undefined
    offset = start + bundle.readUInt16BE(offset)
    if (offset > bundle.length) return undefined
    entries.push(bundle.subarray(start - ahead, offset))
  }
  return entries
}

/** The entries of a bundle, as views of its bytes; undefined when it does not end with the end of an entry. */
export const parseBundle = (bytes: Uint8Array): Buffer[] | undefined => viewsOf(bytes, 0)

/**
 * The same with the prefix of its leaf ahead of each entry, without a copy: it takes the place of the lower byte of the length, so that the
 * bytes are a bundle no more.
 */
export const parseLeafMessages = (bytes: Uint8Array): Buffer[] | undefined => {
  const messages = viewsOf(bytes, 1)
  for (const message of messages ?? []) message[0] = leafPrefix
  return messages
}

/**
 * The leaf hashes of a bundle's entries, one behind the other; undefined where `parseBundle` gives none. The fastest way to many of them,
 * since nothing is copied: the byte ahead of each entry, the lower one of its length, is the leaf's prefix for as long as that entry takes.
 * Nobody else may read or write the bytes meanwhile. `onEntry` is told where each entry ends.
 */
export const bundleLeafHashes = (bytes: Uint8Array, onEntry?: (end: number) => void): Buffer | undefined => {
  const { buffer, byteOffset, length } = bytes
  let hashes = ''
  let offset = 0
  while (offset < length) {
    const [higher, lower] = [bytes[offset], bytes[offset + 1]]
    if (higher === undefined || lower === undefined) return undefined
    const entryBytes = (higher << 8) | lower
    const end = offset + prefixBytes + entryBytes
    if (end > length) return undefined
    bytes[offset + 1] = leafPrefix
    hashes += leafMessageHash(new Uint8Array(buffer, byteOffset + offset + 1, 1 + entryBytes))
    bytes[offset + 1] = lower
    onEntry?.(end)
    offset = end
  }
  return Buffer.from(hashes, 'latin1')
}
