import type { Pool } from 'pg'
import type { Pseudonym } from '../vault.ts'
import type { KeyStore, StoredIdentityKey } from './key-store.ts'

interface IdentityRow {
  readonly pseudonym: Pseudonym
  readonly wrapped_key: Buffer | null
  readonly commitment: string
}

const stored = (row: IdentityRow): StoredIdentityKey =>
  row.wrapped_key === null
    ? { kind: 'destroyed', commit: row.commitment }
    : { kind: 'present', wrapped: row.wrapped_key, commit: row.commitment }

const byPseudonym = (rows: readonly IdentityRow[]) => new Map(rows.map((row) => [row.pseudonym, stored(row)] as const))

const selectIdentities =
  'select pseudonym, wrapped_key, commitment from chartwarden_vault.identity_keys where clinic = $1 and pseudonym = any($2)'

/**
 * Keys in Postgres, schema `chartwarden_vault`. Statements are named so that each connection plans them once; an insert and the read that
 * follows are two statements, because one statement would not see the row a concurrent replica has just committed.
 */
export const createPostgresKeyStore = ({ pool }: { readonly pool: Pool }): KeyStore => {
  const clinicKeys: KeyStore['clinicKeys'] = async (clinic) => {
    const { rows } = await pool.query<{ pseudonym_key: Buffer; digest_key: Buffer }>({
      name: 'vault-clinic-keys',
      text: 'select pseudonym_key, digest_key from chartwarden_vault.clinic_keys where clinic = $1',
      values: [clinic],
    })
    const row = rows[0]
    return row === undefined ? undefined : { pseudonymKey: row.pseudonym_key, digestKey: row.digest_key }
  }
  const identityKeys: KeyStore['identityKeys'] = async (clinic, pseudonyms) => {
    const { rows } = await pool.query<IdentityRow>({ name: 'vault-identity-keys', text: selectIdentities, values: [clinic, pseudonyms] })
    return byPseudonym(rows)
  }
  return {
    clinicKeys,
    putClinicKeys: async (clinic, keys) => {
      await pool.query({
        name: 'vault-put-clinic-keys',
        text: 'insert into chartwarden_vault.clinic_keys (clinic, pseudonym_key, digest_key) values ($1, $2, $3) on conflict do nothing',
        values: [clinic, keys.pseudonymKey, keys.digestKey],
      })
      return (await clinicKeys(clinic)) ?? keys
    },
    identityKeys,
    putIdentityKeys: async (clinic, keys) => {
      // In one order everywhere, so that two replicas inserting the same identities wait for each other instead of deadlocking.
      const sorted = keys.toSorted((left, right) => (left.pseudonym < right.pseudonym ? -1 : 1))
      const pseudonyms = sorted.map((key) => key.pseudonym)
      await pool.query({
        name: 'vault-put-identity-keys',
        text: `insert into chartwarden_vault.identity_keys (clinic, pseudonym, wrapped_key, commitment)
               select $1, * from unnest($2::text[], $3::bytea[], $4::text[]) on conflict do nothing`,
        values: [clinic, pseudonyms, sorted.map((key) => key.wrapped), sorted.map((key) => key.commit)],
      })
      return identityKeys(clinic, pseudonyms)
    },
  }
}
