import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto'
import { canonicalJson, type JsonValue } from './canonical-json.ts'
import type { Clock } from './clock.ts'
import { ChartwardenError } from './errors.ts'
import type { Randomness } from './ids.ts'

/**
 * Where the next page begins, encrypted and bound to everything that makes the query what it is: clinic, query, filter, caller and person.
 * Pages belong to the recorded reading of the first one, so a token must open nothing to anybody else, nor for ever; and a cursor may hold
 * what no answer shows, such as the ledger's pseudonyms.
 */
export interface PageTokens {
  issue(query: JsonValue, cursor: JsonValue): string
  /** The cursor. Throws PAGE_TOKEN_INVALID for a token that was changed, is of another query or format, or is older than an hour. */
  read(query: JsonValue, token: string): JsonValue
}

export interface PageTokensOptions {
  /** At least 32 bytes; the same on all replicas. */
  readonly key: Uint8Array
  readonly clock: Clock
  readonly randomness: Randomness
}

const lifetimeMs = 3_600_000
/** The cursor of a summary holds names of a caller's choosing, several of them. */
const longest = 4_096

/** Format of a token: version (1 byte), salt (16), AES-256-GCM ciphertext, tag (16), all as base64url. Raised when it changes. */
const version = 2
const saltBytes = 16
const tagBytes = 16
const cipherStart = 1 + saltBytes

export const createPageTokens = ({ key, clock, randomness }: PageTokensOptions): PageTokens => {
  if (key.length < 32) throw new RangeError('the key of page tokens has at least 32 bytes')

  /** Key and nonce of one token. A key serves one token, so that any number of them is within what GCM allows under random nonces. */
  const derive = (salt: Uint8Array) => {
    const bytes = new Uint8Array(hkdfSync('sha256', key, salt, 'chartwarden page token v2', 44))
    return [bytes.subarray(0, 32), bytes.subarray(32)] as const
  }

  const boundTo = (query: JsonValue): Buffer => createHash('sha256').update(canonicalJson(query)).digest()

  const decrypt = (query: JsonValue, token: string): Buffer | undefined => {
    const bytes = Buffer.from(token, 'base64url')
    // The text too: base64url ignores what it does not know, and one cursor has one spelling.
    if (bytes.length < cipherStart + tagBytes || bytes[0] !== version || bytes.toString('base64url') !== token) return undefined
    const decipher = createDecipheriv('aes-256-gcm', ...derive(bytes.subarray(1, cipherStart)), { authTagLength: tagBytes })
      .setAAD(boundTo(query))
      .setAuthTag(bytes.subarray(-tagBytes))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(cipherStart, -tagBytes)), decipher.final()])
    } catch {
      return undefined
    }
  }

  return {
    issue: (query, cursor) => {
      const salt = randomness.bytes(saltBytes)
      const cipher = createCipheriv('aes-256-gcm', ...derive(salt), { authTagLength: tagBytes }).setAAD(boundTo(query))
      const text = cipher.update(canonicalJson({ cursor, expires: clock.wall() + lifetimeMs }), 'utf8')
      return Buffer.concat([Uint8Array.of(version), salt, text, cipher.final(), cipher.getAuthTag()]).toString('base64url')
    },
    read: (query, token) => {
      const text = token.length > longest ? undefined : decrypt(query, token)
      if (text === undefined) throw new ChartwardenError('PAGE_TOKEN_INVALID')
      const { cursor, expires } = JSON.parse(text.toString('utf8')) as { cursor: JsonValue; expires: number }
      if (clock.wall() >= expires)
        throw new ChartwardenError('PAGE_TOKEN_INVALID', { message: 'The page token has expired; start again without one.' })
      return cursor
    },
  }
}
