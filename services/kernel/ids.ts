import { createHash, randomBytes, randomUUID } from 'node:crypto'

/** Where randomness enters. */
export interface Randomness {
  /** A random UUID (version 4). */
  uuid(): string
  bytes(length: number): Uint8Array
}

export const systemRandomness: Randomness = {
  uuid: () => randomUUID(),
  bytes: (length) => randomBytes(length),
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Whether the text is a UUID in canonical lower-case form (RFC 9562, section 4). */
export const isUuid = (text: string): boolean => uuidPattern.test(text)

/** UUID version 5 of a name in a namespace (RFC 9562, section 5.5). */
export const uuidV5 = (namespace: string, name: string): string => {
  const hash = createHash('sha1').update(Buffer.from(namespace.replaceAll('-', ''), 'hex')).update(name, 'utf8').digest()
  hash[6] = ((hash[6] as number) & 0x0f) | 0x50
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
