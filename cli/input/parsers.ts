import type { MessageInitShape } from '@bufbuild/protobuf'
import { type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt'
import { InvalidArgumentError } from 'commander'
import type { SubjectRefSchema } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { isClinicId } from '../../services/kernel/clinic-id.ts'
import { type HostPort, parseHostPort } from '../../services/kernel/host-port.ts'
import { isScope, type Scope } from '../../services/kernel/scopes.ts'

/**
 * Parsers of single arguments. They refuse what cannot mean anything, with a sentence about the form expected; whether it exists is the
 * service's to say. Each throws commander's InvalidArgumentError, which becomes exit code 2.
 */

export interface TypedId {
  readonly type: string
  readonly id: string
}

/** `type:id`; the identifier may hold colons. Type 1 to 64 characters, identifier 1 to 256. */
export const parseTypedId = (text: string): TypedId => {
  const colon = text.indexOf(':')
  const type = text.slice(0, Math.max(0, colon))
  const id = text.slice(colon + 1)
  if (type === '' || id === '' || type.length > 64 || id.length > 256) {
    throw new InvalidArgumentError('Write it as type:id, for example staff:d-17.')
  }
  return { type, id }
}

export const subjectRef = ({ type, id }: TypedId): MessageInitShape<typeof SubjectRefSchema> => ({ type, id })

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})$/

/** A moment in RFC 3339 with its offset, seconds optional: 2026-03-31T17:00:00+02:00. A date that does not exist is refused. */
export const parseTime = (text: string): Timestamp => {
  const match = rfc3339.exec(text)
  const milliseconds = match === null ? Number.NaN : Date.parse(text.toUpperCase())
  if (match === null || Number.isNaN(milliseconds)) {
    throw new InvalidArgumentError('Write a moment with its offset, for example 2026-03-31T17:00:00+02:00.')
  }
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
  // Date.parse turns 30 February into 2 March.
  if (new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day) throw new InvalidArgumentError(`${text.slice(0, 10)} is not a date.`)
  return timestampFromMs(milliseconds)
}

/** A whole number without sign, for revisions. */
export const parseRevision = (text: string): bigint => {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('Write a whole number, 0 or more.')
  return BigInt(text)
}

/** A whole number from 1 to `most`. */
export const parseCount =
  (most: number) =>
  (text: string): number => {
    const value = /^\d{1,12}$/.test(text) ? Number(text) : 0
    if (value < 1 || value > most) throw new InvalidArgumentError(`Write a whole number from 1 to ${most}.`)
    return value
  }

/** `a,b,c`; spaces around a part are dropped, an empty part is refused. */
export const parseList = (text: string): string[] => {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.includes('')) throw new InvalidArgumentError('Write the parts separated by commas, none of them empty.')
  return parts
}

/** A clinic's identifier. A development token that named anything else would be refused without saying why. */
export const parseClinic = (text: string): string => {
  if (!isClinicId(text)) throw new InvalidArgumentError('Write lower-case letters, digits and hyphens inside, at most 63.')
  return text
}

/** Clinics separated by commas. */
export const parseClinics = (text: string): string[] => parseList(text).map(parseClinic)

/** Scopes separated by spaces or commas; every one must exist. */
export const parseScopes = (text: string): Scope[] => {
  const names = text.split(/[\s,]+/).filter((name) => name !== '')
  if (names.length === 0) throw new InvalidArgumentError('Name at least one scope.')
  return names.map((name) => {
    if (!isScope(name)) throw new InvalidArgumentError(`There is no scope "${name}".`)
    return name
  })
}

export const parseUuid = (text: string): string => {
  const uuid = text.toLowerCase()
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) throw new InvalidArgumentError('Write a UUID.')
  return uuid
}

/** `host:port` or `[ipv6]:port`, to listen on; port 0 takes a free one. */
export const parseListenAddress = (text: string): HostPort => {
  const address = parseHostPort(text)
  if (address === undefined) throw new InvalidArgumentError('Write host:port, for example 127.0.0.1:8090.')
  return address
}
