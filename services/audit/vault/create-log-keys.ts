import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import type { Clock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { createExpiringCache } from '../../kernel/expiring-cache.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { LogKey, LogKeys } from '../log/log-keys.ts'
import { type VerifierKey, verifierKeyOf } from '../log/note.ts'
import type { ActiveLogKey, LogKeyStore, NewLogKey, StoredLogKey } from './log-key-store.ts'
import type { MasterKey } from './master-key.ts'

export interface LogKeysOptions {
  readonly masterKey: MasterKey
  readonly store: LogKeyStore
  readonly randomness: Randomness
  /** Of age in the cache. */
  readonly clock: Clock
  /** Ledger time, milliseconds since the epoch: by it keys retire. */
  readonly now: () => number
  /** For how long a key that another replica has made may stay unnoticed. Milliseconds; defaults to 10,000. */
  readonly ttlMs?: number
}

/** The key that each clinic's log begins with; the others have the id of the entry that names them. */
const firstId = '00000000-0000-0000-0000-000000000000'

/** PrivateKeyInfo of an Ed25519 key (RFC 8410) up to its seed. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

const maxClinics = 50_000

const ed25519 = (seed: Uint8Array): KeyObject => createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })

const associated = (clinic: string, id: string): string => `${clinic}\nlog key ${id}`

/** Keys of logs over a store. The private parts are unwrapped in this process's memory only. */
export const createLogKeys = ({ masterKey, store, randomness, clock, now, ttlMs = 10_000 }: LogKeysOptions): LogKeys => {
  const cache = createExpiringCache<string, readonly LogKey[]>({ max: maxClinics, ttlMs, clock })

  const open = (clinic: string, { id, wrapped, publicKey, createdAt, retiresAt }: StoredLogKey & Partial<ActiveLogKey>): LogKey => {
    const privateKey = ed25519(masterKey.unwrap(wrapped, associated(clinic, id)))
    const names = new Map<string, VerifierKey>()
    const verifierKey = (origin: string): VerifierKey => {
      const known = names.get(origin) ?? verifierKeyOf(origin, privateKey)
      names.set(origin, known)
      return known
    }
    if (!verifierKey(clinic).publicKey.equals(publicKey))
      throw new ChartwardenError('INTERNAL', { cause: new Error('the public part of a stored log key is not that of the private one') })
    return {
      verifierKey,
      sign: (text, origin) => ({
        name: origin,
        keyId: verifierKey(origin).keyId,
        signature: sign(null, Buffer.from(text, 'utf8'), privateKey),
      }),
      createdAt,
      ...(retiresAt === undefined ? {} : { retiresAt }),
    }
  }
  const make = (clinic: string, id: string): NewLogKey => {
    const seed = randomness.bytes(32)
    return { id, wrapped: masterKey.wrap(seed, associated(clinic, id)), publicKey: verifierKeyOf(clinic, ed25519(seed)).publicKey }
  }
  const fetch = async (clinic: string): Promise<readonly LogKey[]> => {
    const asked = clock.monotonic()
    let keys = await store.active(clinic)
    if (keys.length === 0) {
      if ((await store.put(clinic, make(clinic, firstId))) === undefined) return []
      await store.activate(clinic, firstId, { ordinal: -1n })
      keys = await store.active(clinic)
    }
    const active = keys.map((key) => open(clinic, key))
    cache.set(clinic, active, asked)
    return active
  }
  const known = async (clinic: string): Promise<readonly LogKey[]> => cache.get(clinic) ?? (await fetch(clinic))
  return {
    known,
    current: async (clinic) => {
      const active = await known(clinic)
      const time = now()
      return active.filter(({ retiresAt }) => retiresAt === undefined || retiresAt > time)
    },
    prepare: async (clinic, id) => {
      const stored = await store.put(clinic, make(clinic, id))
      return stored && open(clinic, stored)
    },
    activate: async (clinic, id, { revision, retireOthersAt }) => {
      await store.activate(clinic, id, { ordinal: revision, retireOthersAt })
      await fetch(clinic)
    },
  }
}
