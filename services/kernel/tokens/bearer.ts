import { ChartwardenError } from '../errors.ts'

/** Longer tokens are refused unread, in bytes. */
export const maxTokenBytes = 8192

/**
 * The token of an `authorization` header (RFC 6750, section 2.1). Throws TOKEN_MISSING when there is no header or another scheme, and
 * TOKEN_REFUSED when it is too long to be looked at. Whether it is a token at all is the verifier's to say.
 */
export const bearerToken = (header: unknown): string => {
  if (typeof header !== 'string' || !/^bearer(?: |$)/i.test(header)) throw new ChartwardenError('TOKEN_MISSING')
  const token = header.slice('bearer '.length)
  if (token.length > maxTokenBytes) throw new ChartwardenError('TOKEN_REFUSED', { cause: new Error('token_too_long') })
  return token
}
