import { type Kysely, sql } from 'kysely'
import type { MigrationSet, SetMigration } from '../../kernel/postgres/migrate.ts'

/**
 * The key tables. The writer inserts and reads; nobody else sees them, and no runtime role changes or deletes a row: destroying a key is
 * the owner's act.
 */
const keyTables: SetMigration = {
  name: '0001_key_tables',
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`create schema chartwarden_vault`.execute(db)
    await sql`revoke all on schema chartwarden_vault from public`.execute(db)
    await sql`
      create table chartwarden_vault.clinic_keys (
        clinic text primary key,
        pseudonym_key bytea not null,
        digest_key bytea not null,
        created_at timestamptz not null default clock_timestamp()
      )`.execute(db)
    await sql`
      create table chartwarden_vault.identity_keys (
        clinic text not null,
        pseudonym text not null,
        wrapped_key bytea,
        commitment text not null,
        created_at timestamptz not null default clock_timestamp(),
        destroyed_at timestamptz,
        primary key (clinic, pseudonym),
        check ((wrapped_key is null) = (destroyed_at is not null))
      )`.execute(db)
    await sql`grant usage on schema chartwarden_vault to chartwarden_writer`.execute(db)
    await sql`grant select, insert on chartwarden_vault.clinic_keys, chartwarden_vault.identity_keys to chartwarden_writer`.execute(db)
  },
}

/** Migrations of the vault; run after the ledger's, which makes the roles. */
export const vaultMigrations: MigrationSet = { name: 'vault', migrations: [keyTables] }
