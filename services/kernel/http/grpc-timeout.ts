import { invalidField } from '../errors.ts'

/** The header of gRPC itself, which proxies that translate HTTP to gRPC take from HTTP callers as well. */
export const timeoutHeader = 'grpc-timeout'

const millisecondsOf: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/**
 * Milliseconds in a `grpc-timeout` such as `5S` or `250m` (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests);
 * Infinity where there is no header. Throws INVALID_ARGUMENT.
 */
export const parseTimeout = (header: unknown): number => {
  if (header === undefined) return Number.POSITIVE_INFINITY
  const [, digits, unit = ''] = (typeof header === 'string' ? /^(\d{1,8})([HMSmun])$/.exec(header) : null) ?? []
  if (digits === undefined)
    throw invalidField(timeoutHeader, 'at most eight digits and a unit, H, M, S, m, u or n: 5S is five seconds, 250m a quarter of one')
  return Number(digits) * (millisecondsOf[unit] ?? 0)
}
