import type { QueryResultRow } from 'pg'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Pseudonym } from '../vault.ts'
import type { KeyStore, StoredIdentityKey, WrappedClinicKeys } from './key-store.ts'
import { createVaultStatements, type VaultStatementOptions } from './vault-statements.ts'

interface ClinicRow extends QueryResultRow {
  readonly pseudonym_key: Buffer
  readonly digest_key: Buffer
}

interface IdentityRow extends QueryResultRow {
  readonly pseudonym: Pseudonym
  readonly wrapped_key: Buffer | null
  readonly commitment: string
}

const clinicColumns = 'select pseudonym_key, digest_key from'
const identityColumns = 'select pseudonym, wrapped_key, commitment from'

/** The functions name the clinic to row security, in the one round trip (migrations.ts). */
const statements = {
  clinic_keys: `${clinicColumns} chartwarden_vault.clinic_keys($1)`,
  put_clinic_keys: `${clinicColumns} chartwarden_vault.put_clinic_keys($1, $2, $3)`,
  identity_keys: `${identityColumns} chartwarden_vault.identity_keys($1, $2)`,
  put_identity_keys: `${identityColumns} chartwarden_vault.put_identity_keys($1, $2, $3, $4)`,
  put_destroyed_keys: `${identityColumns} chartwarden_vault.put_destroyed_keys($1, $2, $3)`,
  destroyed_keys: 'select pseudonym from chartwarden_vault.destroyed_keys($1, $2)',
  identity_keys_after: `${identityColumns} chartwarden_vault.identity_keys_after($1, $2, $3)`,
} as const

const clinicKeysOf = ([row]: readonly ClinicRow[]): WrappedClinicKeys | undefined =>
  row && { pseudonymKey: row.pseudonym_key, digestKey: row.digest_key }

const storedKey = (row: IdentityRow): StoredIdentityKey =>
  row.wrapped_key === null
    ? { kind: 'destroyed', commit: row.commitment }
    : { kind: 'present', wrapped: row.wrapped_key, commit: row.commitment }

const byPseudonym = (rows: readonly IdentityRow[]) => new Map(rows.map((row) => [row.pseudonym, storedKey(row)] as const))

/** Keys in Postgres, schema `chartwarden_vault`. Faults of the database are LEDGER_UNAVAILABLE with their cause: without keys no entry is made. */
export const createPostgresKeyStore = (options: VaultStatementOptions): KeyStore => {
  const run = createVaultStatements(statements, options)
  return {
    clinicKeys: async (clinic) => clinicKeysOf(await run<ClinicRow>('clinic_keys', [clinic])),
    putClinicKeys: async (clinic, keys) => {
      const stored = clinicKeysOf(await run<ClinicRow>('put_clinic_keys', [clinic, keys.pseudonymKey, keys.digestKey]))
      if (stored === undefined)
        throw new ChartwardenError('INTERNAL', { cause: new Error('the keys of a clinic were put and are not there') })
      return stored
    },
    identityKeys: async (clinic, pseudonyms) => byPseudonym(await run<IdentityRow>('identity_keys', [clinic, pseudonyms])),
    putIdentityKeys: async (clinic, keys) => {
      // In one order everywhere, so that two replicas inserting the same identities wait for each other instead of deadlocking.
      const sorted = keys.toSorted((left, right) => (left.pseudonym < right.pseudonym ? -1 : 1))
      const rows = await run<IdentityRow>('put_identity_keys', [
        clinic,
        sorted.map((key) => key.pseudonym),
        sorted.map((key) => key.wrapped),
        sorted.map((key) => key.commit),
      ])
      return byPseudonym(rows)
    },
    putDestroyedKeys: async (clinic, keys) => {
      const pseudonyms = keys.map((key) => key.pseudonym)
      const commitments = keys.map((key) => key.commit)
      return byPseudonym(await run<IdentityRow>('put_destroyed_keys', [clinic, pseudonyms, commitments]))
    },
    destroyedKeys: async (clinic, known) =>
      (await run<Pick<IdentityRow, 'pseudonym'>>('destroyed_keys', [clinic, known])).map(({ pseudonym }) => pseudonym),
    identityKeysAfter: async (clinic, after, limit) => byPseudonym(await run<IdentityRow>('identity_keys_after', [clinic, after, limit])),
  }
}
