import type { Pseudonym } from '../vault.ts'
import type { KeyStore, StoredIdentityKey, WrappedClinicKeys } from './key-store.ts'

/** The reference model of the key store: keeps everything in memory. For tests. */
export const createMemoryKeyStore = (): KeyStore & { destroy(clinic: string, pseudonym: Pseudonym): void } => {
  const clinics = new Map<string, WrappedClinicKeys>()
  const identities = new Map<string, StoredIdentityKey>()
  const place = (clinic: string, pseudonym: Pseudonym) => `${clinic}/${pseudonym}`
  const identityKeys: KeyStore['identityKeys'] = async (clinic, pseudonyms) => {
    const found = new Map<Pseudonym, StoredIdentityKey>()
    for (const pseudonym of pseudonyms) {
      const key = identities.get(place(clinic, pseudonym))
      if (key !== undefined) found.set(pseudonym, key)
    }
    return found
  }
  return {
    clinicKeys: async (clinic) => clinics.get(clinic),
    putClinicKeys: async (clinic, keys) => {
      const stored = clinics.get(clinic) ?? keys
      clinics.set(clinic, stored)
      return stored
    },
    identityKeys,
    putIdentityKeys: async (clinic, keys) => {
      for (const { pseudonym, wrapped, commit } of keys) {
        if (!identities.has(place(clinic, pseudonym))) identities.set(place(clinic, pseudonym), { kind: 'present', wrapped, commit })
      }
      return identityKeys(
        clinic,
        keys.map((key) => key.pseudonym),
      )
    },
    putDestroyedKeys: async (clinic, keys) => {
      for (const { pseudonym, commit } of keys) {
        if (!identities.has(place(clinic, pseudonym))) identities.set(place(clinic, pseudonym), { kind: 'destroyed', commit })
      }
      return identityKeys(
        clinic,
        keys.map((key) => key.pseudonym),
      )
    },
    destroyedKeys: async (clinic, known) => {
      const destroyed = [...identities]
        .filter(([name, { kind }]) => name.startsWith(`${clinic}/`) && kind === 'destroyed')
        .map(([name]) => name.slice(clinic.length + 1) as Pseudonym)
      return destroyed.length === known ? [] : destroyed
    },
    identityKeysAfter: async (clinic, after, limit) => {
      const known = [...identities.keys()]
        .filter((name) => name.startsWith(`${clinic}/`))
        .map((name) => name.slice(clinic.length + 1) as Pseudonym)
      return identityKeys(
        clinic,
        known
          .filter((pseudonym) => pseudonym > after)
          .sort()
          .slice(0, limit),
      )
    },
    destroy: (clinic, pseudonym) => {
      const key = identities.get(place(clinic, pseudonym))
      if (key !== undefined) identities.set(place(clinic, pseudonym), { kind: 'destroyed', commit: key.commit })
    },
  }
}
