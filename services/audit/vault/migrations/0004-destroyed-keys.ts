import { type Kysely, sql } from 'kysely'
import type { SetMigration } from '../../../kernel/postgres/migrate.ts'

const schema = 'chartwarden_vault'

/** What a process that keeps unwrapped keys asks now and then. Nothing comes back while nothing was destroyed since it last asked. */
const statements = `
set local role chartwarden_owner;
create index identity_keys_destroyed on ${schema}.identity_keys (clinic, pseudonym) where wrapped_key is null;

create function ${schema}.destroyed_keys(of_clinic text, known bigint) returns table (pseudonym text)
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  if (select count(*) from ${schema}.identity_keys k where k.clinic = of_clinic and k.wrapped_key is null) <> known then
    return query select k.pseudonym from ${schema}.identity_keys k where k.clinic = of_clinic and k.wrapped_key is null;
  end if;
end
$$;
revoke all on function ${schema}.destroyed_keys(text, bigint) from public;
grant execute on function ${schema}.destroyed_keys(text, bigint) to chartwarden_writer;
`

export const destroyedKeys: SetMigration = {
  name: '0004_destroyed_keys',
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(statements).execute(db)
    await sql`reset role`.execute(db)
  },
}
