/**
 * Reads members of an entry's data. The entries of a ledger may have been written by another version or by a faulty one: what is not what
 * the vocabulary says is a TypeError here, so that the entry is parked instead of becoming a wrong row.
 */
import type { SubjectReference } from '../../access/events.ts'
import type { Sealed } from '../../audit/vault.ts'
import { isUuid } from '../../kernel/ids.ts'

/** A text that Postgres can keep: without NUL and without half a character. */
export const text = (value: unknown): string => {
  if (typeof value !== 'string' || value.includes('\0') || !value.isWellFormed()) throw new TypeError('not a text')
  return value
}

export const optionalText = (value: unknown): string | null => (value === undefined ? null : text(value))

export const texts = (value: unknown): string[] => {
  if (!Array.isArray(value)) throw new TypeError('not a list')
  return value.map(text)
}

export const subject = (value: SubjectReference | undefined): SubjectReference => {
  if (typeof value !== 'object' || value === null) throw new TypeError('not a subject')
  text(value.type)
  text(value.pseudonym)
  return value
}

/** An RFC 3339 time as the entry spells it; Postgres keeps its microseconds. */
export const time = (value: unknown): string => {
  const spelled = text(value)
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(spelled) || Number.isNaN(Date.parse(spelled)))
    throw new TypeError('not a time')
  return spelled
}

export const optionalTime = (value: unknown): string | null => (value === undefined ? null : time(value))

/** Milliseconds since the epoch, spelled for Postgres. Throws RangeError for what is not a time. */
export const moment = (milliseconds: number): string => new Date(milliseconds).toISOString()

export const sealedPart = (value: Sealed | undefined): Sealed | null => {
  if (value === undefined) return null
  if (typeof value !== 'object' || value === null) throw new TypeError('not a sealed part')
  return { kid: text(value.kid) as Sealed['kid'], nonce: text(value.nonce), ct: text(value.ct) }
}

export const flag = (value: unknown): boolean => {
  if (typeof value !== 'boolean') throw new TypeError('not true or false')
  return value
}

/** An entry's id. Postgres looks at it only where there is something to compare it with, which would park an entry here and not there. */
export const uuid = (value: unknown): string => {
  if (typeof value !== 'string' || !isUuid(value)) throw new TypeError('not a UUID')
  return value
}

/** One of the codes, or TypeError. */
export const oneOf = <Code extends string>(codes: readonly Code[], value: unknown): Code => {
  if (!codes.includes(value as Code)) throw new TypeError('not a known code')
  return value as Code
}
