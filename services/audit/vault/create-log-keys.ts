import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { LRUCache } from 'lru-cache'
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
/** Keys opened without a pause, and clinics given their first key at once: decisions wait for no more than that. */
const openedAtOnce = 16
const madeAtOnce = 4

const ed25519 = (seed: Uint8Array): KeyObject => createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })

const associated = (clinic: string, id: string): string => `${clinic}\nlog key ${id}`

/** Keys of logs over a store. The private parts are unwrapped in this process's memory only. */
export const createLogKeys = ({ masterKey, store, randomness, clock, now, ttlMs = 10_000 }: LogKeysOptions): LogKeys => {
  const cache = createExpiringCache<string, readonly LogKey[]>({ max: maxClinics, ttlMs, clock })

  // Opening a key costs far more than reading it, and what was opened stays what it is.
  const opened = new LRUCache<string, { readonly wrapped: Uint8Array; readonly publicKey: Uint8Array; readonly key: LogKey }>({
    max: maxClinics,
  })

  const unwrap = (clinic: string, { id, wrapped, publicKey, createdAt }: StoredLogKey): LogKey => {
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
    }
  }
  const open = (clinic: string, stored: StoredLogKey & Partial<ActiveLogKey>): LogKey => {
    const { wrapped, publicKey, retiresAt } = stored
    const name = associated(clinic, stored.id)
    const kept = opened.get(name)
    const same = kept !== undefined && Buffer.compare(kept.wrapped, wrapped) === 0 && Buffer.compare(kept.publicKey, publicKey) === 0
    const key = same ? kept.key : unwrap(clinic, stored)
    if (!same) opened.set(name, { wrapped, publicKey, key })
    return retiresAt === undefined ? key : { ...key, retiresAt }
  }
  const make = (clinic: string, id: string): NewLogKey => {
    const seed = randomness.bytes(32)
    return { id, wrapped: masterKey.wrap(seed, associated(clinic, id)), publicKey: verifierKeyOf(clinic, ed25519(seed)).publicKey }
  }
  /** Gives clinics their first keys; those that are registered. */
  const begin = async (clinics: readonly string[]): Promise<readonly string[]> => {
    const begun: string[] = []
    for (let start = 0; start < clinics.length; start += madeAtOnce) {
      const makeFirst = async (clinic: string): Promise<void> => {
        if ((await store.put(clinic, make(clinic, firstId))) === undefined) return
        await store.activate(clinic, firstId, { ordinal: -1n })
        begun.push(clinic)
      }
      await Promise.all(clinics.slice(start, start + madeAtOnce).map(makeFirst))
    }
    return begun
  }
  const fetch = async (clinics: readonly string[]): Promise<ReadonlyMap<string, readonly LogKey[]>> => {
    const asked = clock.monotonic()
    const stored = new Map(await store.active(clinics))
    const begun = await begin(clinics.filter((clinic) => !stored.has(clinic)))
    if (begun.length > 0) for (const [clinic, keys] of await store.active(begun)) stored.set(clinic, keys)
    const found = new Map<string, readonly LogKey[]>()
    for (const [clinic, keys] of stored) {
      const active = keys.map((key) => open(clinic, key))
      cache.set(clinic, active, asked)
      found.set(clinic, active)
      if (found.size % openedAtOnce === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    return found
  }
  const known = async (clinic: string): Promise<readonly LogKey[]> => cache.get(clinic) ?? (await fetch([clinic])).get(clinic) ?? []
  const signing = (keys: readonly LogKey[]): readonly LogKey[] => {
    const time = now()
    return keys.filter(({ retiresAt }) => retiresAt === undefined || retiresAt > time)
  }
  return {
    known,
    current: async (clinic) => signing(await known(clinic)),
    currentOf: async (clinics) => {
      const kept = new Map(clinics.map((clinic) => [clinic, cache.get(clinic)]))
      const wanted = clinics.filter((clinic) => kept.get(clinic) === undefined)
      const fetched: ReadonlyMap<string, readonly LogKey[]> = wanted.length === 0 ? new Map() : await fetch(wanted)
      return new Map(clinics.map((clinic) => [clinic, signing(kept.get(clinic) ?? fetched.get(clinic) ?? [])]))
    },
    prepare: async (clinic, id) => {
      const stored = await store.put(clinic, make(clinic, id))
      return stored && open(clinic, stored)
    },
    activate: async (clinic, id, { revision, retireOthersAt }) => {
      await store.activate(clinic, id, { ordinal: revision, retireOthersAt })
      await fetch([clinic])
    },
  }
}
