/** Catalogue errors as problem details (RFC 9457). */
import type { ChartwardenError } from '../errors.ts'

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly reason: string
  readonly correlation_id: string
  readonly errors?: readonly { readonly field: string; readonly detail: string }[]
  readonly metadata?: Readonly<Record<string, string>>
}

export const problemType = 'application/problem+json'

/** A tag URI (RFC 4151): a name that is never fetched. */
const typeOf = (reason: string): string => `tag:chartwarden.example,2026:error/${reason}`

const titleOf = (reason: string): string => {
  const words = reason.replaceAll('_', ' ').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

export const problemOf = (error: ChartwardenError, correlationId: string): Problem => ({
  type: typeOf(error.reason),
  title: titleOf(error.reason),
  status: error.http,
  detail: error.message,
  reason: error.reason,
  correlation_id: correlationId,
  ...(error.fields.length === 0 ? {} : { errors: error.fields.map(({ field, description }) => ({ field, detail: description })) }),
  ...(Object.keys(error.metadata).length === 0 ? {} : { metadata: error.metadata }),
})

/** Headers that belong to an error: how to authenticate (RFC 6750, section 3) and when to try again (RFC 9110, section 10.2.3). */
export const problemHeaders = (error: ChartwardenError): Readonly<Record<string, string>> => {
  const headers: Record<string, string> = {}
  if (error.reason === 'TOKEN_MISSING') headers['www-authenticate'] = 'Bearer'
  else if (error.http === 401) headers['www-authenticate'] = 'Bearer error="invalid_token"'
  else if (error.reason === 'SCOPE_MISSING') headers['www-authenticate'] = 'Bearer error="insufficient_scope"'
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterSeconds)))
  return headers
}
