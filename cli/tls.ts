import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { ChartwardenError } from '../services/kernel/errors.ts'
import { isLoopback, parseHostPort } from '../services/kernel/host-port.ts'

export interface TransportOptions {
  readonly tls?: true
  readonly tlsCa?: string
  readonly insecure?: true
}

/** As a client of gRPC takes it; undefined: no TLS. Without `ca` the authorities of Node hold. */
export type ClientTls = { readonly ca?: Buffer } | undefined

const invalid = (message: string, cause?: unknown): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', cause === undefined ? { message } : { message, cause })

const certificates = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const readAuthorities = async (path: string): Promise<Buffer> => {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw invalid(`The file of certificate authorities ${path} cannot be read.`, cause)
  }
  const found = bytes.toString('latin1').match(certificates) ?? []
  if (found.length === 0) throw invalid(`The file of certificate authorities ${path} holds no PEM certificate.`)
  try {
    for (const certificate of found) new X509Certificate(certificate)
  } catch (cause) {
    throw invalid(`The file of certificate authorities ${path} holds a PEM certificate that cannot be read.`, cause)
  }
  return bytes
}

/**
 * How the service at an address may be called. A token is as good as its caller, so it crosses a network only under TLS, unless that is
 * given up with `insecure`. Throws INVALID_ARGUMENT when the address is not host:port, the file of authorities is none, or plaintext would
 * leave this machine.
 */
export const clientTls = async (address: string, options: TransportOptions): Promise<ClientTls> => {
  const place = parseHostPort(address)
  if (place === undefined || place.port === 0) throw invalid(`The address "${address}" is not host:port, for example 127.0.0.1:50051.`)
  if (options.tlsCa !== undefined) return { ca: await readAuthorities(options.tlsCa) }
  if (options.tls) return {}
  if (isLoopback(place.host) || options.insecure) return undefined
  throw invalid(
    `The token would cross the network to ${address} in the clear: use --tls or --tls-ca <file>, or give that up with --insecure.`,
  )
}
