import type { Pseudonym } from '../vault.ts'

/** A clinic's own keys, wrapped. */
export interface WrappedClinicKeys {
  readonly pseudonymKey: Uint8Array
  readonly digestKey: Uint8Array
}

/** The data key of one identity, wrapped, or what is left once it was destroyed. */
export type StoredIdentityKey =
  | { readonly kind: 'present'; readonly wrapped: Uint8Array; readonly commit: string }
  | { readonly kind: 'destroyed'; readonly commit: string }

export interface NewIdentityKey {
  readonly pseudonym: Pseudonym
  readonly wrapped: Uint8Array
  readonly commit: string
}

export type DestroyedIdentityKey = Omit<NewIdentityKey, 'wrapped'>

/** Where wrapped keys are kept, apart from the ledger. Every write is insert-if-absent and answers what is stored, so that replicas agree. */
export interface KeyStore {
  clinicKeys(clinic: string): Promise<WrappedClinicKeys | undefined>
  putClinicKeys(clinic: string, keys: WrappedClinicKeys): Promise<WrappedClinicKeys>
  identityKeys(clinic: string, pseudonyms: readonly Pseudonym[]): Promise<ReadonlyMap<Pseudonym, StoredIdentityKey>>
  putIdentityKeys(clinic: string, keys: readonly NewIdentityKey[]): Promise<ReadonlyMap<Pseudonym, StoredIdentityKey>>
  /** Keys that were destroyed elsewhere and must be so here too; only for a clinic that has no keys of its own yet. */
  putDestroyedKeys(clinic: string, keys: readonly DestroyedIdentityKey[]): Promise<ReadonlyMap<Pseudonym, StoredIdentityKey>>
  /** All destroyed keys of the clinic; none when there are just as many as are known. */
  destroyedKeys(clinic: string, known: number): Promise<readonly Pseudonym[]>
  /** All keys of the clinic in order of pseudonym (by its bytes), after the one named; empty: no more. */
  identityKeysAfter(clinic: string, after: string, limit: number): Promise<ReadonlyMap<Pseudonym, StoredIdentityKey>>
}
