import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson, type JsonValue } from './canonical-json.ts'
import type { Clock } from './clock.ts'
import { ChartwardenError } from './errors.ts'

/**
 * Where the next page begins, authenticated and bound to everything that makes the query what it is: clinic, query, filter, caller and
 * person. Pages belong to the recorded reading of the first one, so a token must open nothing to anybody else, nor for ever.
 */
export interface PageTokens {
  issue(query: JsonValue, cursor: JsonValue): string
  /** The cursor. Throws PAGE_TOKEN_INVALID for a token that was changed, is of another query, or is older than an hour. */
  read(query: JsonValue, token: string): JsonValue
}

export interface PageTokensOptions {
  /** At least 32 bytes; the same on all replicas. */
  readonly key: Uint8Array
  readonly clock: Clock
}

const lifetimeMs = 3_600_000
/** The cursor of a summary holds names of a caller's choosing, several of them. */
const longest = 4_096

export const createPageTokens = ({ key, clock }: PageTokensOptions): PageTokens => {
  if (key.length < 32) throw new RangeError('the key of page tokens has at least 32 bytes')

  const authenticate = (query: JsonValue, payload: string): Buffer =>
    createHmac('sha256', key)
      .update('chartwarden page token v1\n')
      .update(createHash('sha256').update(canonicalJson(query)).digest())
      .update(payload)
      .digest()

  return {
    issue: (query, cursor) => {
      const payload = Buffer.from(canonicalJson({ cursor, expires: clock.wall() + lifetimeMs })).toString('base64url')
      return `${payload}.${authenticate(query, payload).toString('base64url')}`
    },
    read: (query, token) => {
      const [payload = '', tag = '', ...rest] = token.slice(0, longest + 1).split('.')
      const given = Buffer.from(tag, 'base64url')
      const expected = authenticate(query, payload)
      // The text too: base64url ignores what it does not know, and one cursor has one spelling.
      const authentic = given.length === expected.length && timingSafeEqual(given, expected) && tag === expected.toString('base64url')
      if (token.length > longest || rest.length > 0 || !authentic) throw new ChartwardenError('PAGE_TOKEN_INVALID')
      const { cursor, expires } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { cursor: JsonValue; expires: number }
      if (clock.wall() >= expires)
        throw new ChartwardenError('PAGE_TOKEN_INVALID', { message: 'The page token has expired; start again without one.' })
      return cursor
    },
  }
}
