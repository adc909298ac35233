/**
 * The only way into the index. Takes entries of any clinics, those of one clinic in order and without a gap, and adds what is not there yet:
 * whoever appended them and whoever found them in the stream may both bring them, in any order, and both at once. What does not follow on what
 * is there is left out; it comes again once somebody has brought what lies between. Positions are gapless and commit in order, as those of
 * the ledger in PostgreSQL, because the head of the log is locked first and each statement after it sees every earlier commit.
 */
import { type Kysely, sql } from 'kysely'
import { schema } from './0001-tables.ts'

const add = `
set local role chartwarden_owner;
create function ${schema}.add(
  clinics text[],
  entry_clinic int[],
  entry_revision bigint[],
  entry_id uuid[],
  entry_state_changing boolean[],
  entry_recorded_at bigint[],
  digests bytea,
  leaf_hashes bytea
) returns void
language plpgsql
security definer
set search_path = pg_catalog, ${schema}, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  start_position bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = '25001', message = 'the index is added to in READ COMMITTED only';
  end if;
  if current_setting('synchronous_commit') = 'off' then
    raise exception using errcode = '55000', message = 'the index is added to with synchronous_commit on only: a position given out could be given again';
  end if;
  select h.position into strict start_position from ${schema}.log_head h where h.log_id = 1 for update;

  with given as (
    select u.i, clinics[u.c] as clinic, u.revision, u.id, u.state_changing, u.recorded_at,
      coalesce(h.revision, -1) as head, coalesce(h.state_revision, -1) as state
    from unnest(entry_clinic, entry_revision, entry_id, entry_state_changing, entry_recorded_at)
      with ordinality u (c, revision, id, state_changing, recorded_at, i)
    left join ${schema}.heads h on h.clinic = clinics[u.c]
  ),
  fresh as (
    select g.*, row_number() over (partition by g.clinic order by g.revision) as nth from given g where g.revision > g.head
  ),
  following as materialized (
    select f.*, start_position + row_number() over (order by f.i) as position from fresh f where f.revision = f.head + f.nth
  ),
  written as (
    insert into ${schema}.entries (position, revision, recorded_at, id, state_changing, clinic, request_digest, leaf_hash)
    select f.position, f.revision, f.recorded_at, f.id, f.state_changing, f.clinic,
      substr(digests, (f.i * 32 - 31)::int, 32), substr(leaf_hashes, (f.i * 32 - 31)::int, 32)
    from following f
  ),
  moved_heads as (
    insert into ${schema}.heads as h (clinic, revision, state_revision)
    select f.clinic, max(f.revision), coalesce(max(f.revision) filter (where f.state_changing), min(f.state)) from following f group by f.clinic
    on conflict (clinic) do update set revision = excluded.revision, state_revision = excluded.state_revision
  )
  update ${schema}.log_head h set position = h.position + f.entries
  from (select count(*) as entries from following) f where h.log_id = 1 and f.entries > 0;

  if found then
    perform pg_notify('${schema}', '');
  end if;
end
$$;
grant create on schema ${schema} to chartwarden_append;
alter function ${schema}.add owner to chartwarden_append;
revoke create on schema ${schema} from chartwarden_append;
set local role chartwarden_append;
revoke all on function ${schema}.add from public;
grant execute on function ${schema}.add to chartwarden_writer;
`

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(add).execute(db)
  await sql`reset role`.execute(db)
}
