/**
 * The entry: a CloudEvents 1.0 JSON object, canonical by RFC 8785, stored and hashed as those exact bytes (docs/explanation/promises.md,
 * "What an entry holds"). Everything in it is decided once and kept for decades.
 */
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { uuidV5 } from '../kernel/ids.ts'
import { maxEntryBytes, type NewEntry } from './ledger.ts'
import type { Sealed } from './vault.ts'

/** UUIDv5(DNS, "chartwarden.example"): the root of every clinic's namespace. Never changes. */
const rootNamespace = 'f9415ae9-d8bc-5e29-a7c7-8b81e73d7049'

/** Content of `data`: codes, times and pseudonyms that may stay readable for ever, and one sealed part. */
export type EntryData = { readonly [name: string]: JsonValue | undefined } & { readonly sealed?: Sealed }

/** The envelope as it stands in the canonical bytes. Extension names are CloudEvents' lower-case alphanumerics. */
export interface Envelope {
  readonly specversion: '1.0'
  readonly id: string
  readonly type: string
  /** `/clinics/<clinic>` */
  readonly source: string
  /** Ledger time, RFC 3339 with milliseconds, UTC. */
  readonly time: string
  readonly datacontenttype: 'application/json'
  /** The calling software: `sub` of its token. */
  readonly caller: string
  readonly correlationid?: string
  readonly causationid?: string
  /** W3C Trace Context. */
  readonly traceparent?: string
  /** HMAC of the request, base64. */
  readonly requestdigest: string
  /** 16 random bytes, base64: leaf hashes are published, and a guessable entry must not be confirmable. */
  readonly salt: string
  readonly data: EntryData
}

/** Where a request came from; the same for all its entries. */
export interface Provenance {
  readonly caller: string
  readonly correlationId?: string
  readonly causationId?: string
  readonly traceparent?: string
}

export interface EntryDraft {
  readonly clinic: string
  readonly id: string
  readonly type: string
  readonly stateChanging: boolean
  /** Ledger time, milliseconds since the epoch. */
  readonly time: number
  readonly provenance: Provenance
  readonly requestDigest: Uint8Array
  /** 16 bytes. */
  readonly salt: Uint8Array
  readonly data: EntryData
}

/** Id of an entry: the same operation, request and ordinal always give the same id; `ordinal` counts the entries of one request. */
export type EntryIds = (operation: string, requestId: string, ordinal: number) => string

/** The ids of one clinic's entries, in the clinic's own namespace. */
export const entryIdsOf = (clinic: string): EntryIds => {
  const namespace = uuidV5(rootNamespace, clinic)
  return (operation, requestId, ordinal) => uuidV5(namespace, `${operation}\n${requestId}\n${ordinal}`)
}

/** One id, where the clinic's ids are not at hand. */
export const entryId = (clinic: string, operation: string, requestId: string, ordinal: number): string =>
  entryIdsOf(clinic)(operation, requestId, ordinal)

/** The exact bytes of an entry. Throws INVALID_ARGUMENT when they cannot be canonical, ENTRY_TOO_LARGE when a tile cannot hold them. */
export const sealEnvelope = (draft: EntryDraft): NewEntry => {
  const { provenance } = draft
  const envelope: Envelope = {
    specversion: '1.0',
    id: draft.id,
    type: draft.type,
    source: `/clinics/${draft.clinic}`,
    time: new Date(draft.time).toISOString(),
    datacontenttype: 'application/json',
    caller: provenance.caller,
    ...(provenance.correlationId === undefined ? {} : { correlationid: provenance.correlationId }),
    ...(provenance.causationId === undefined ? {} : { causationid: provenance.causationId }),
    ...(provenance.traceparent === undefined ? {} : { traceparent: provenance.traceparent }),
    requestdigest: Buffer.from(draft.requestDigest).toString('base64'),
    salt: Buffer.from(draft.salt).toString('base64'),
    data: draft.data,
  }
  let bytes: Buffer
  try {
    bytes = Buffer.from(canonicalJson(envelope as unknown as JsonValue), 'utf8')
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: 'The request holds text or numbers that JSON cannot carry exactly.', cause })
  }
  if (bytes.length > maxEntryBytes) {
    throw new ChartwardenError('ENTRY_TOO_LARGE', { metadata: { bytes: String(bytes.length), limit: String(maxEntryBytes) } })
  }
  return { id: draft.id, type: draft.type, stateChanging: draft.stateChanging, requestDigest: draft.requestDigest, bytes }
}

const timeMember = Buffer.from('"time":"')
const timeLength = '2026-11-22T08:30:00.007Z'.length

/**
 * The time of stored bytes without parsing them. Members stand in order of name, so that the last `time` is the envelope's own: what comes
 * behind it, `traceparent` and `type`, holds no quoted member.
 */
export const entryTime = (bytes: Uint8Array): string => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = buffer.lastIndexOf(timeMember) + timeMember.length
  return buffer.toString('latin1', start, start + timeLength)
}

/** Reads stored bytes back. The bytes were written by `sealEnvelope`; what does not parse is damage and throws. */
export const openEnvelope = (bytes: Uint8Array): Envelope =>
  JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) as Envelope
