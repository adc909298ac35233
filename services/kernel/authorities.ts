import { X509Certificate } from 'node:crypto'

const certificates = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The certificates of a PEM file of authorities, which may hold text around them. Throws for one that cannot be read. */
export const parseAuthorities = (pem: Uint8Array): readonly X509Certificate[] =>
  (Buffer.from(pem).toString('latin1').match(certificates) ?? []).map((certificate) => new X509Certificate(certificate))
