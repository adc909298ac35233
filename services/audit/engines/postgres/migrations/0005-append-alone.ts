/**
 * An append that comes alone, as a permission change does and a question with nothing else under way, by statements that name its clinic: the
 * server then opens one partition where the statements for batches (0004-append.ts) open all sixteen. The verdicts are the same. Whatever
 * comes with others goes to those as before.
 */
import { type Kysely, sql } from 'kysely'

const parameters = `
  clinics text[],
  append_clinic int[],
  append_rests bigint[],
  append_not_after bigint[],
  entry_append int[],
  entry_id uuid[],
  entry_state_changing boolean[],
  entry_type int[],
  types text[],
  content_bounds int[],
  digests bytea,
  contents bytea,
  seen_position bigint`

const alone = `
set local role chartwarden_owner;
grant create on schema chartwarden_ledger to chartwarden_append;
set local role chartwarden_append;
alter function chartwarden_ledger.append rename to append_batch;
revoke all on function chartwarden_ledger.append_batch from chartwarden_writer;
set local role chartwarden_owner;
create function chartwarden_ledger.append(${parameters}
) returns table (
  append int,
  verdict int,
  revision bigint,
  state_revision bigint,
  ledger_time bigint,
  log_position bigint,
  original_id uuid,
  original_type text,
  original_state_changing boolean,
  original_digest bytea,
  original_bytes bytea,
  original_recorded_at bigint
)
language plpgsql
security definer
set search_path = pg_catalog, chartwarden_ledger, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  any_state constant bigint := -2;
  is_stored constant int := 1;
  is_duplicate constant int := 2;
  is_mismatch constant int := 3;
  is_moved constant int := 4;
  is_stale constant int := 5;
  is_original constant int := 7;
  of_clinic constant text := clinics[1];
  rests constant bigint := append_rests[1];
  entries constant int := cardinality(entry_id);
  start_position bigint;
  now_ms bigint;
  head bigint;
  state bigint;
  new_state bigint;
  is_same boolean;
  found_entries int := 0;
  same_entries int := 0;
  answer int;
begin
  if cardinality(append_clinic) <> 1 then
    return query select * from chartwarden_ledger.append_batch(clinics, append_clinic, append_rests, append_not_after, entry_append, entry_id,
      entry_state_changing, entry_type, types, content_bounds, digests, contents, seen_position);
    return;
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = '25001',
      message = 'the ledger is appended to in READ COMMITTED only: another level would not see what was committed while waiting';
  end if;
  if current_setting('synchronous_commit') = 'off' then
    raise exception using errcode = '55000',
      message = 'the ledger is appended to with synchronous_commit on only: an acknowledged entry could be lost';
  end if;

  select h.position into strict start_position from chartwarden_ledger.log_head h where h.log_id = 1 for update;
  if start_position < seen_position then
    raise exception using errcode = 'CW001',
      message = format('the ledger ends at position %s, but %s was seen: a lost failover or a restored backup', start_position, seen_position);
  end if;
  now_ms := floor(extract(epoch from clock_timestamp()) * 1000);

  select h.revision, h.state_revision into head, state from chartwarden_ledger.heads h where h.clinic = of_clinic;
  state := coalesce(state, -1);
  -- One by one: planned once for an empty table, a join might read all of a clinic for ever.
  for place in 1..entries loop
    select e.request_digest = substr(digests, place * 32 - 31, 32) into is_same
      from chartwarden_ledger.entries e where e.clinic = of_clinic and e.id = entry_id[place];
    continue when not found;
    found_entries := found_entries + 1;
    if is_same then same_entries := same_entries + 1; end if;
  end loop;

  answer := case
    when found_entries > 0 then case when same_entries = entries then is_duplicate else is_mismatch end
    when head is null and rests <> -1 then is_moved
    when append_not_after[1] <= now_ms then is_stale
    when rests = any_state or rests = state then is_stored
    else is_moved
  end;

  if answer = is_stored then
    insert into chartwarden_ledger.entries
      (position, revision, recorded_at, id, log_id, state_changing, clinic, type, request_digest, bytes)
    select start_position + u.i, coalesce(head, -1) + u.i, now_ms, u.id, 1, u.state_changing, of_clinic, types[u.type],
      substr(digests, (u.i * 32 - 31)::int, 32),
      substr(contents, content_bounds[u.i] + 1, content_bounds[u.i + 1] - content_bounds[u.i])
    from unnest(entry_id, entry_state_changing, entry_type) with ordinality u (id, state_changing, type, i);
    select max(coalesce(head, -1) + u.i) into new_state from unnest(entry_state_changing) with ordinality u (changing, i) where u.changing;
    state := coalesce(new_state, state);
    if head is null then
      insert into chartwarden_ledger.heads (clinic, revision, state_revision) values (of_clinic, entries - 1, state);
    else
      update chartwarden_ledger.heads h set revision = head + entries, state_revision = state where h.clinic = of_clinic;
    end if;
    update chartwarden_ledger.log_head h set position = start_position + entries where h.log_id = 1;
    perform pg_notify('chartwarden_ledger', (start_position + entries)::text);
  end if;

  return query select 1, answer, coalesce(head, -1) + 1, state, now_ms,
    case when answer = is_stored then start_position + entries else start_position end,
    null::uuid, null::text, null::boolean, null::bytea, null::bytea, null::bigint;

  if answer = is_duplicate then
    for place in 1..entries loop
      return query
      select 1, is_original, e.revision, null::bigint, now_ms, start_position,
        e.id, e.type, e.state_changing, e.request_digest, e.bytes, e.recorded_at
      from chartwarden_ledger.entries e where e.clinic = of_clinic and e.id = entry_id[place];
    end loop;
  end if;
end
$$;
alter function chartwarden_ledger.append owner to chartwarden_append;
revoke create on schema chartwarden_ledger from chartwarden_append;
set local role chartwarden_append;
revoke all on function chartwarden_ledger.append from public;
grant execute on function chartwarden_ledger.append to chartwarden_writer;
`

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(alone).execute(db)
  await sql`reset role`.execute(db)
}
