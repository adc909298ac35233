/** An entry that comes from outside, as bytes: taken exactly as it is, or not at all. */
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import { isUuid } from '../kernel/ids.ts'
import { maxEntryBytes, type NewEntry } from './ledger.ts'
import { parseBase64 } from './log/base64.ts'

export type ImportedEntry =
  | { readonly kind: 'entry'; readonly entry: Omit<NewEntry, 'stateChanging'> }
  /** `problem`: what it breaks; never what it says. */
  | { readonly kind: 'refused'; readonly problem: string }

const required = ['caller', 'data', 'datacontenttype', 'id', 'requestdigest', 'salt', 'source', 'specversion', 'time', 'type'] as const
const optional = new Set(['causationid', 'correlationid', 'traceparent'])
const maxTypeBytes = 256

const parsed = (bytes: Uint8Array): { readonly text: string; readonly value: JsonValue } | undefined => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return { text, value: JSON.parse(text) as JsonValue }
  } catch {
    return undefined
  }
}

const isCanonical = ({ text, value }: { readonly text: string; readonly value: JsonValue }): boolean => {
  try {
    return canonicalJson(value) === text
  } catch {
    return false
  }
}

const isMoment = (text: string): boolean => {
  const time = Date.parse(text)
  return Number.isFinite(time) && new Date(time).toISOString() === text
}

/** Reads an entry of this clinic from the bytes that this service would have written for it. */
export const readImportedEntry = (bytes: Uint8Array, clinic: string): ImportedEntry => {
  const refused = (problem: string): ImportedEntry => ({ kind: 'refused', problem })
  if (bytes.length === 0 || bytes.length > maxEntryBytes) return refused(`an entry has 1 to ${maxEntryBytes} bytes`)
  const read = parsed(bytes)
  if (read === undefined || !isCanonical(read)) return refused('its bytes are not canonical JSON')
  if (typeof read.value !== 'object' || read.value === null || Array.isArray(read.value)) return refused('it is not an object')
  const { data, ...members } = read.value as { readonly [name: string]: JsonValue }
  const names = Object.keys(read.value)
  if (required.some((name) => !names.includes(name)) || names.some((name) => !optional.has(name) && !required.includes(name as never))) {
    return refused('its members are not those of an entry')
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return refused('its data is not an object')
  if (Object.values(members).some((member) => typeof member !== 'string')) return refused('a member is not text')
  const { id, type, source, specversion, datacontenttype, time, requestdigest, salt } = members as Readonly<Record<string, string>>
  if (source !== `/clinics/${clinic}`) return refused('it is of another clinic')
  if (specversion !== '1.0' || datacontenttype !== 'application/json') return refused('it is not a CloudEvent 1.0 of JSON')
  if (id === undefined || !isUuid(id)) return refused('its id is not a lower-case UUID')
  if (type === undefined || type === '' || Buffer.byteLength(type) > maxTypeBytes) return refused('its type is too long or empty')
  if (time === undefined || !isMoment(time)) return refused('its time is not written as times are')
  const requestDigest = parseBase64(requestdigest ?? '')
  if (requestDigest?.length !== 32) return refused('its request digest is not 32 bytes')
  if (parseBase64(salt ?? '')?.length !== 16) return refused('its salt is not 16 bytes')
  return { kind: 'entry', entry: { id, type, requestDigest, bytes } }
}
