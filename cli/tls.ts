import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseAuthorities } from '../services/kernel/authorities.ts'
import { ChartwardenError } from '../services/kernel/errors.ts'
import { isLoopback, parseHostPort } from '../services/kernel/host-port.ts'

export interface TransportOptions {
  readonly tls?: true
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly insecure?: true
}

/** The certificate a client shows to a service that asks for one, and its key, PEM. */
export interface ClientCertificate {
  readonly cert: Buffer
  readonly key: Buffer
}

/** As a client of gRPC takes it; undefined: no TLS. Without `ca` the authorities of Node hold. */
export type ClientTls = ({ readonly ca?: Buffer } & Partial<ClientCertificate>) | undefined

const invalid = (message: string, cause?: unknown): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', cause === undefined ? { message } : { message, cause })

const read = async (what: string, path: string): Promise<Buffer> => {
  try {
    return await readFile(path)
  } catch (cause) {
    throw invalid(`The file of ${what} ${path} cannot be read.`, cause)
  }
}

const readAuthorities = async (path: string): Promise<Buffer> => {
  const bytes = await read('certificate authorities', path)
  let found: readonly X509Certificate[]
  try {
    found = parseAuthorities(bytes)
  } catch (cause) {
    throw invalid(`The file of certificate authorities ${path} holds a PEM certificate that cannot be read.`, cause)
  }
  if (found.length === 0) throw invalid(`The file of certificate authorities ${path} holds no PEM certificate.`)
  return bytes
}

const readClientCertificate = async (certFile: string, keyFile: string): Promise<ClientCertificate> => {
  const [cert, key] = await Promise.all([read('the client certificate', certFile), read('the client key', keyFile)])
  let fits: boolean
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch (cause) {
    throw invalid(`${certFile} and ${keyFile} are not a PEM certificate and its PEM key without a password.`, cause)
  }
  if (!fits) throw invalid(`The client key ${keyFile} does not belong to the certificate ${certFile}.`)
  return { cert, key }
}

/** The client certificate to show, of the options, else of the variables; undefined: none. */
const givenCertificate = async (
  { tlsCert, tlsKey }: TransportOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ClientCertificate | undefined> => {
  const certFile = tlsCert ?? (environment['CHARTWARDEN_CLIENT_CERT_FILE'] || undefined)
  const keyFile = tlsKey ?? (environment['CHARTWARDEN_CLIENT_KEY_FILE'] || undefined)
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile === undefined || keyFile === undefined) throw invalid('A client certificate needs its key, and a key its certificate.')
  return readClientCertificate(certFile, keyFile)
}

/**
 * How the service at an address may be called. A token is as good as its caller, so it crosses a network only under TLS, unless that is
 * given up with `insecure`. A client certificate means TLS. Throws INVALID_ARGUMENT when the address is not host:port, a file is not what it
 * should be, or plaintext would leave this machine.
 */
export const clientTls = async (
  address: string,
  options: TransportOptions,
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<ClientTls> => {
  const place = parseHostPort(address)
  if (place === undefined || place.port === 0) throw invalid(`The address "${address}" is not host:port, for example 127.0.0.1:50051.`)
  const certificate = options.insecure ? undefined : await givenCertificate(options, environment)
  if (options.tlsCa !== undefined) return { ca: await readAuthorities(options.tlsCa), ...certificate }
  if (options.tls || certificate !== undefined) return { ...certificate }
  if (isLoopback(place.host) || options.insecure) return undefined
  throw invalid(
    `The token would cross the network to ${address} in the clear: use --tls or --tls-ca <file>, or give that up with --insecure.`,
  )
}
