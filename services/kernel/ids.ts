import { hash, randomFillSync, randomUUID } from 'node:crypto'

/** Where randomness enters. */
export interface Randomness {
  /** A random UUID (version 4). */
  uuid(): string
  bytes(length: number): Uint8Array
}

const poolBytes = 4_096

/** The system's randomness, fetched in blocks: one call into the kernel for each salt and nonce costs more than the rest of an entry. */
const createSystemRandomness = (): Randomness => {
  let pool = new Uint8Array(0)
  let used = 0
  return {
    uuid: () => randomUUID(),
    bytes: (length) => {
      if (length > poolBytes) return randomFillSync(new Uint8Array(length))
      if (used + length > pool.length) {
        pool = randomFillSync(new Uint8Array(poolBytes))
        used = 0
      }
      used += length
      return pool.slice(used - length, used)
    },
  }
}

export const systemRandomness: Randomness = createSystemRandomness()

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Whether the text is a UUID in canonical lower-case form (RFC 9562, section 4). */
export const isUuid = (text: string): boolean => uuidPattern.test(text)

/** UUID version 5 of a name in a namespace (RFC 9562, section 5.5). */
export const uuidV5 = (namespace: string, name: string): string => {
  const digest = hash('sha1', Buffer.concat([Buffer.from(namespace.replaceAll('-', ''), 'hex'), Buffer.from(name, 'utf8')]), 'buffer')
  digest[6] = ((digest[6] as number) & 0x0f) | 0x50
  digest[8] = ((digest[8] as number) & 0x3f) | 0x80
  const hex = digest.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
