import { type Kysely, sql } from 'kysely'
import type { SetMigration } from '../../../kernel/postgres/migrate.ts'

const schema = 'chartwarden_vault'

/**
 * For a clinic that moves: all its keys in order, and those that were destroyed where it comes from. That a key is destroyed may be said of
 * one that is not there, and only as long as the clinic has no keys of its own: of a clinic that is served nobody can be barred so.
 */
const statements = `
set local role chartwarden_owner;
create policy writer_adds_destroyed on ${schema}.identity_keys for insert to chartwarden_writer
  with check (clinic = nullif(current_setting('chartwarden.clinic', true), '') and wrapped_key is null
    and not exists (select from ${schema}.clinic_keys k where k.clinic = identity_keys.clinic));

create function ${schema}.put_destroyed_keys(of_clinic text, pseudonyms text[], commitments text[]) returns setof ${schema}.identity_keys
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  insert into ${schema}.identity_keys (clinic, pseudonym, commitment, destroyed_at)
    select of_clinic, *, clock_timestamp() from unnest(pseudonyms, commitments) on conflict do nothing;
  return query select k.* from ${schema}.identity_keys k where k.clinic = of_clinic and k.pseudonym = any (pseudonyms);
end
$$;
create function ${schema}.identity_keys_after(of_clinic text, after text, most integer) returns setof ${schema}.identity_keys
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  return query select k.* from ${schema}.identity_keys k where k.clinic = of_clinic and k.pseudonym > after order by k.pseudonym limit most;
end
$$;
revoke all on function ${schema}.put_destroyed_keys(text, text[], text[]) from public;
revoke all on function ${schema}.identity_keys_after(text, text, integer) from public;
grant execute on function ${schema}.put_destroyed_keys(text, text[], text[]) to chartwarden_writer;
grant execute on function ${schema}.identity_keys_after(text, text, integer) to chartwarden_writer;
`

export const movedKeys: SetMigration = {
  name: '0003_moved_keys',
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(statements).execute(db)
    await sql`reset role`.execute(db)
  },
}
