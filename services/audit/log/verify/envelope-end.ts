/**
 * The end of an entry's bytes, read without parsing the rest: canonical JSON has its members in order of name, and everything behind `data`
 * is written by the service alone, without an escape in it (services/audit/entry.ts).
 */

export interface EnvelopeEnd {
  readonly id: string
  /** Base64. */
  readonly requestDigest: string
  /** `/clinics/<clinic>` */
  readonly source: string
  /** RFC 3339. */
  readonly time: string
  readonly type: string
}

const start = Buffer.from('"datacontenttype":"application/json","id":"')

const pattern =
  /^"datacontenttype":"application\/json","id":"([^"\\]*)","requestdigest":"([^"\\]*)","salt":"[^"\\]*","source":"([^"\\]*)","specversion":"1\.0","time":"([^"\\]*)"(?:,"traceparent":"[^"\\]*")?,"type":"([^"\\]*)"\}$/

/** Undefined for bytes that no entry of this service ends with. */
export const envelopeEnd = (bytes: Uint8Array): EnvelopeEnd | undefined => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const from = buffer.lastIndexOf(start)
  const match = from === -1 ? null : pattern.exec(buffer.toString('utf8', from))
  if (match === null) return undefined
  const [, id = '', requestDigest = '', source = '', time = '', type = ''] = match
  return { id, requestDigest, source, time, type }
}
