/** Keys as they stand, decrypted, in an export: a line of JSON each. */
import { canonicalJson } from '../../kernel/canonical-json.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Pseudonym } from '../vault.ts'

const format = 'chartwarden clinic keys v1'
const keyBytes = 32
/** Characters of a line. */
const maxLine = 4_096

export interface ClinicKeyLine {
  readonly kind: 'clinic'
  readonly clinic: string
  readonly pseudonymKey: Buffer
  readonly digestKey: Buffer
}

export interface IdentityKeyLine {
  readonly kind: 'identity'
  readonly pseudonym: Pseudonym
  readonly commit: string
  /** Undefined: destroyed. */
  readonly key: Buffer | undefined
}

export type KeyLine = ClinicKeyLine | IdentityKeyLine | { readonly kind: 'end'; readonly identities: number }

const base64 = (bytes: Buffer): string => bytes.toString('base64')

const lineJson = (line: KeyLine): string => {
  switch (line.kind) {
    case 'clinic':
      return canonicalJson({ format, clinic: line.clinic, pseudonym_key: base64(line.pseudonymKey), digest_key: base64(line.digestKey) })
    case 'identity':
      return canonicalJson({ pseudonym: line.pseudonym, commit: line.commit, ...(line.key === undefined ? {} : { key: base64(line.key) }) })
    case 'end':
      return canonicalJson({ identities: line.identities })
  }
}

export const keyLine = (line: KeyLine): Uint8Array => Buffer.from(`${lineJson(line)}\n`, 'utf8')

const keyOf = (value: unknown): Buffer | undefined => {
  const key = typeof value === 'string' ? Buffer.from(value, 'base64') : undefined
  return key?.length === keyBytes && base64(key) === value ? key : undefined
}

/** Undefined for what is no line of this format. */
export const parseKeyLine = (text: string): KeyLine | undefined => {
  let value: Readonly<Record<string, unknown>>
  try {
    value = JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (value.format === format && typeof value.clinic === 'string') {
    const [pseudonymKey, digestKey] = [keyOf(value.pseudonym_key), keyOf(value.digest_key)]
    return pseudonymKey && digestKey && { kind: 'clinic', clinic: value.clinic, pseudonymKey, digestKey }
  }
  if (typeof value.pseudonym === 'string' && typeof value.commit === 'string') {
    const key = keyOf(value.key)
    if (value.key !== undefined && key === undefined) return undefined
    return { kind: 'identity', pseudonym: value.pseudonym as Pseudonym, commit: value.commit, key }
  }
  return typeof value.identities === 'number' ? { kind: 'end', identities: value.identities } : undefined
}

/** Whole lines of what comes in pieces. Throws IMPORT_REFUSED for one that is too long or has no end. */
export async function* textLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8')
  let rest = ''
  const unreadable = (): ChartwardenError => new ChartwardenError('IMPORT_REFUSED', { message: 'The keys that were sent cannot be read.' })
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() as string
    if (rest.length > maxLine || lines.some((line) => line.length > maxLine)) throw unreadable()
    yield* lines
  }
  if (rest !== '') throw unreadable()
}
