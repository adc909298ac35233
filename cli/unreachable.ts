import { ChartwardenError } from '../services/kernel/errors.ts'

/** What OpenSSL and Node say of a connection, and what it means for whoever called. The first that fits holds; `$&` stands for what they said. */
const meanings: readonly (readonly [said: RegExp, meaning: string])[] = [
  [
    /does not match certificate's altnames/,
    'The certificate of the service is for another name (ERR_TLS_CERT_ALTNAME_INVALID); call it under a name that the certificate holds.',
  ],
  [/certificate has expired/, 'The certificate of the service has expired (CERT_HAS_EXPIRED); have it renewed.'],
  [
    /certificate is not yet valid/,
    'The certificate of the service is not valid yet (CERT_NOT_YET_VALID); compare the clocks of both machines.',
  ],
  [
    /self-signed certificate|unable to (?:get|verify)|certificate signature failure|invalid CA certificate/,
    'The certificate of the service is not trusted ($&); name the authority that signed it with --tls-ca <file>.',
  ],
  [
    /alert certificate required|alert handshake failure/,
    'The service asks for a client certificate; show one with --tls-cert <file> and --tls-key <file>.',
  ],
  [
    /alert (?:unknown ca|bad certificate|unsupported certificate|certificate (?:revoked|expired|unknown))/,
    'The service refuses the client certificate that was shown; ask its operator which authorities it trusts.',
  ],
  [
    /wrong version number|packet length too long/,
    'The service does not speak TLS at this address; leave out --tls and --tls-ca, or correct the address.',
  ],
  [/Name resolution failed/, 'The name of the service cannot be resolved; check the address.'],
  [
    /Failed to connect \(|ECONNRESET|Protocol error/,
    'The service ended the connection: it may speak TLS, so call it with --tls or --tls-ca <file>, or something else answers at this address.',
  ],
]

const systemCode = /\b(?:E[A-Z]{4,}|ERR_[A-Z_]+)\b/

/** What grpc-js says of a service that was not reached, or was lost; undefined where a service answered, or nothing is known. */
export const connectionDetails = (thrown: unknown): string | undefined => {
  if (!(thrown instanceof ChartwardenError) || thrown.reason !== 'SERVICE_UNREACHABLE') return undefined
  const { cause } = thrown
  if (cause instanceof ChartwardenError) return connectionDetails(cause)
  const details = (cause as { readonly details?: unknown } | undefined)?.details
  return typeof details === 'string' && details !== '' ? details : undefined
}

/** Why no connection came about and what to do, from the words of the connection; undefined: one did, or nothing is known. */
export const whyUnreachable = (thrown: unknown): string | undefined => {
  const details = connectionDetails(thrown)
  if (details === undefined || !/^(?:No connection established|Name resolution failed)/.test(details)) return undefined
  for (const [said, meaning] of meanings) {
    const [found] = said.exec(details) ?? []
    if (found !== undefined) return meaning.replace('$&', () => found)
  }
  const [code] = systemCode.exec(details) ?? []
  return code === undefined ? undefined : `The service cannot be reached (${code}); check its address and call again.`
}
