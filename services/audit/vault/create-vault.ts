import { createSecretKey, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type Clock, systemClock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { ClinicVault, Identity, KnownIdentity, Pseudonym, Vault } from '../vault.ts'
import { coalesce } from './coalesce.ts'
import { commitmentOf, identityName, openUnder, pseudonymUnder, requestDigestUnder, sealUnder } from './data-key.ts'
import { createDestroyedKeys } from './destroyed-keys.ts'
import type { KeyStore, StoredIdentityKey } from './key-store.ts'
import type { MasterKey } from './master-key.ts'
import { createStateSeal } from './state-seal.ts'

export interface VaultOptions {
  readonly masterKey: MasterKey
  readonly keyStore: KeyStore
  readonly randomness: Randomness
  /** Pseudonyms and unwrapped data keys kept in memory for each clinic. Defaults to 50,000. */
  readonly cacheSize?: number
  /** For how long a clinic's data keys are used without asking the store which were destroyed. Milliseconds; defaults to 60,000. */
  readonly dataKeyTtlMs?: number
  /** Defaults to the system's. */
  readonly clock?: Clock
}

interface DataKey {
  /** As an object: the runtime prepares raw bytes anew for each use, which costs several times the work itself. */
  readonly key: KeyObject
  readonly commit: string
}

const maxKeysPerStatement = 500

/**
 * The Vault over a key store. Keys leave it never; they are unwrapped in this process's memory only. A data key destroyed in the store opens
 * and seals nothing any more, in any process, once `dataKeyTtlMs` have passed.
 */
export const createVault = (options: VaultOptions): Vault => {
  const { masterKey, keyStore, randomness } = options
  const { clock = systemClock, cacheSize = 50_000, dataKeyTtlMs = 60_000 } = options
  const clinics = new Map<string, ClinicVault>()

  const openClinic = (clinic: string, pseudonymKey: KeyObject, digestKey: KeyObject): ClinicVault => {
    // By size: `max` would set aside room for all of them at once, for every clinic.
    const pseudonyms = new LRUCache<string, Pseudonym>({ maxSize: cacheSize, sizeCalculation: () => 1 })
    const dataKeys = new LRUCache<Pseudonym, DataKey>({ maxSize: cacheSize, sizeCalculation: () => 1 })
    const destroyedKeys = createDestroyedKeys({
      read: async (known) => {
        const destroyed = await keyStore.destroyedKeys(clinic, known)
        for (const pseudonym of destroyed) dataKeys.delete(pseudonym)
        return destroyed
      },
      ttlMs: dataKeyTtlMs,
      clock,
    })

    const remember = (pseudonym: Pseudonym, stored: StoredIdentityKey | undefined): DataKey | 'key_destroyed' | undefined => {
      if (stored === undefined) return undefined
      if (stored.kind === 'destroyed') return 'key_destroyed'
      const key = masterKey.unwrap(stored.wrapped, `${clinic}\n${pseudonym}`)
      if (commitmentOf(key) !== stored.commit) {
        throw new ChartwardenError('INTERNAL', { cause: new Error('a stored data key does not match its commitment') })
      }
      const dataKey = { key: createSecretKey(key), commit: stored.commit }
      dataKeys.set(pseudonym, dataKey)
      return dataKey
    }

    const loadKey = coalesce<Pseudonym, StoredIdentityKey | undefined>(
      async (asked) => {
        const found = await keyStore.identityKeys(clinic, [...new Set(asked)])
        return asked.map((pseudonym) => found.get(pseudonym))
      },
      { maxGroup: maxKeysPerStatement },
    )
    const makeKey = coalesce<Pseudonym, StoredIdentityKey>(
      async (asked) => {
        const wanted = [...new Set(asked)]
        const known = await keyStore.identityKeys(clinic, wanted)
        const missing = wanted.filter((pseudonym) => !known.has(pseudonym))
        const made = missing.map((pseudonym) => {
          const key = randomness.bytes(32)
          return { pseudonym, wrapped: masterKey.wrap(key, `${clinic}\n${pseudonym}`), commit: commitmentOf(key) }
        })
        const stored = made.length === 0 ? new Map<Pseudonym, StoredIdentityKey>() : await keyStore.putIdentityKeys(clinic, made)
        return asked.map((pseudonym) => (known.get(pseudonym) ?? stored.get(pseudonym)) as StoredIdentityKey)
      },
      { maxGroup: maxKeysPerStatement },
    )
    const dataKey = async (pseudonym: Pseudonym): Promise<DataKey | 'key_destroyed' | undefined> => {
      const destroyed = await destroyedKeys.current()
      // Also of one that was being read when it was destroyed, and is kept since.
      if (destroyed.has(pseudonym)) return 'key_destroyed'
      return dataKeys.get(pseudonym) ?? remember(pseudonym, await loadKey(pseudonym))
    }

    const pseudonymOf = (identity: Identity): Pseudonym => {
      const name = identityName(identity)
      const cached = pseudonyms.get(name)
      if (cached !== undefined) return cached
      const pseudonym = pseudonymUnder(pseudonymKey, name)
      pseudonyms.set(name, pseudonym)
      return pseudonym
    }

    return {
      ...createStateSeal(digestKey, randomness),
      pseudonym: pseudonymOf,
      requestDigest: (canonicalRequest) => requestDigestUnder(digestKey, canonicalRequest),
      identity: async (identity): Promise<KnownIdentity> => {
        const pseudonym = pseudonymOf(identity)
        const cached = dataKeys.get(pseudonym)
        if (cached !== undefined) return { pseudonym, commit: cached.commit }
        const stored = await makeKey(pseudonym)
        remember(pseudonym, stored)
        return { pseudonym, commit: stored.commit }
      },
      seal: async (kid, context, value) => {
        const found = await dataKey(kid)
        if (found === 'key_destroyed') return found
        if (found === undefined) throw new ChartwardenError('INTERNAL', { cause: new Error('sealing for an identity without a key') })
        return sealUnder(found.key, kid, context, value, randomness.bytes(12))
      },
      open: async (sealed, context) => {
        const found = await dataKey(sealed.kid)
        if (found === 'key_destroyed') return { kind: 'key_destroyed' }
        if (found === undefined) throw new ChartwardenError('INTERNAL', { cause: new Error('a sealed part names a key that never was') })
        try {
          return { kind: 'opened', value: openUnder(found.key, sealed, context) }
        } catch (cause) {
          throw new ChartwardenError('INTERNAL', { cause: new Error('a sealed part does not authenticate', { cause }) })
        }
      },
    }
  }

  const remember = (clinic: string, keys: { pseudonymKey: Uint8Array; digestKey: Uint8Array }): ClinicVault => {
    const existing = clinics.get(clinic)
    if (existing !== undefined) return existing
    const opened = openClinic(
      clinic,
      createSecretKey(masterKey.unwrap(keys.pseudonymKey, `${clinic}\npseudonym key`)),
      createSecretKey(masterKey.unwrap(keys.digestKey, `${clinic}\ndigest key`)),
    )
    clinics.set(clinic, opened)
    return opened
  }

  return {
    clinic: async (clinic) => {
      const known = clinics.get(clinic)
      if (known !== undefined) return known
      const keys = await keyStore.clinicKeys(clinic)
      return keys === undefined ? undefined : remember(clinic, keys)
    },
    createClinic: async (clinic) => {
      const known = clinics.get(clinic)
      if (known !== undefined) return known
      const keys =
        (await keyStore.clinicKeys(clinic)) ??
        (await keyStore.putClinicKeys(clinic, {
          pseudonymKey: masterKey.wrap(randomness.bytes(32), `${clinic}\npseudonym key`),
          digestKey: masterKey.wrap(randomness.bytes(32), `${clinic}\ndigest key`),
        }))
      return remember(clinic, keys)
    },
  }
}
