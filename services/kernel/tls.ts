import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Clock, systemClock } from './clock.ts'
import type { TlsFiles } from './config.ts'
import { StartError } from './start-error.ts'

/** Certificate chain and private key, PEM, checked to fit together. */
export interface TlsMaterial {
  readonly cert: Buffer
  readonly key: Buffer
}

const read = async (what: string, path: string): Promise<Buffer> => {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new StartError(`The TLS ${what} ${path} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'}.`, { cause })
  }
}

const parse = <Parsed>(what: string, path: string, run: () => Parsed): Parsed => {
  try {
    return run()
  } catch (cause) {
    throw new StartError(`The TLS ${what} ${path} is not a PEM ${what} this service can use.`, { cause })
  }
}

/** Reads both files. Throws StartError when one is missing, not PEM, encrypted, expired, not yet valid, or when they do not belong together. */
export const readTls = async ({ certFile, keyFile }: TlsFiles, clock: Clock = systemClock): Promise<TlsMaterial> => {
  const [cert, key] = await Promise.all([read('certificate', certFile), read('private key', keyFile)])
  const certificate = parse('certificate', certFile, () => new X509Certificate(cert))
  const privateKey: KeyObject = parse('private key', keyFile, () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey))
    throw new StartError(`The TLS private key ${keyFile} does not belong to the certificate ${certFile}.`)
  const now = clock.wall()
  if (now >= Date.parse(certificate.validTo)) throw new StartError(`The TLS certificate ${certFile} expired on ${certificate.validTo}.`)
  if (now < Date.parse(certificate.validFrom))
    throw new StartError(`The TLS certificate ${certFile} is not valid before ${certificate.validFrom}.`)
  return { cert, key }
}
