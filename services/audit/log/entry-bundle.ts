/** Bundles of entries (C2SP tlog-tiles v0.1.0, "Log entries"): each entry behind its length, two bytes with the higher one first. */
import { maxEntryBytes } from '../ledger.ts'

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

/** The entries of a bundle, as views of its bytes; undefined when it does not end with the end of an entry. */
export const parseBundle = (bytes: Uint8Array): Buffer[] | undefined => {
  const bundle = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: Buffer[] = []
  let offset = 0
  while (offset < bundle.length) {
    const start = offset + prefixBytes
    if (start > bundle.length) return undefined
    offset = start + bundle.readUInt16BE(offset)
    if (offset > bundle.length) return undefined
    entries.push(bundle.subarray(start, offset))
  }
  return entries
}
