/**
 * The only way in. One call takes a batch: appends in order, their entries in the order of the appends, everything an entry needs in arrays
 * and its bytes in one blob. Verdicts are those of the reference model (../../memory.ts), computed for the batch as a whole:
 *
 * - the head of the log is locked first, so appends of all services take turns, positions are gapless and commit in order;
 * - the ledger's time is read after the lock: read before, a stale entry could pass;
 * - the statements after it see every earlier commit, which only READ COMMITTED gives;
 * - the first append of a clinic that changes its state (`mover`) moves everything behind it that rests on the old state.
 *
 * `seen_position` is the highest position the caller knows: a log that ends before it has lost entries, and takes no more.
 *
 * Arrays hold no nulls, so that an element is found without walking: "any state" is -2, "no not after" the largest bigint, "no ledger" -2.
 */
import { type Kysely, sql } from 'kysely'

const append = `
set local role chartwarden_owner;
create function chartwarden_ledger.append(
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
  seen_position bigint
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
  no_ledger constant bigint := -2;
  is_candidate constant int := 0;
  is_stored constant int := 1;
  is_duplicate constant int := 2;
  is_mismatch constant int := 3;
  is_moved constant int := 4;
  is_stale constant int := 5;
  is_again constant int := 6;
  is_original constant int := 7;
  start_position bigint;
  now_ms bigint;
  revisions bigint[];
  states bigint[];
  verdicts int[];
  hit record;
begin
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

  select array_agg(coalesce(h.revision, no_ledger) order by c.i), array_agg(coalesce(h.state_revision, -1) order by c.i)
    into revisions, states
    from unnest(clinics) with ordinality c (clinic, i) left join chartwarden_ledger.heads h on h.clinic = c.clinic;

  select array_agg(
      case
        when revisions[a.c] = no_ledger and a.rests <> -1 then is_moved
        when a.not_after <= now_ms then is_stale
        else is_candidate
      end order by a.n
    )
    into verdicts
    from unnest(append_clinic, append_rests, append_not_after) with ordinality a (c, rests, not_after, n);

  -- An earlier append of the batch names the id.
  for hit in
    select distinct r.n from (
      select u.n, row_number() over (partition by append_clinic[u.n], u.id order by u.i) as k
      from unnest(entry_append, entry_id) with ordinality u (n, id, i)
    ) r where r.k > 1
  loop
    if verdicts[hit.n] in (is_candidate, is_stale) then verdicts[hit.n] := is_again; end if;
  end loop;

  -- Stored before: wins over everything but a missing ledger, where nothing can be.
  for hit in
    select u.n, count(*) as entries, count(*) filter (where e.request_digest = substr(digests, (u.i * 32 - 31)::int, 32)) as same
    from unnest(entry_append, entry_id) with ordinality u (n, id, i)
    left join chartwarden_ledger.entries e on e.clinic = clinics[append_clinic[u.n]] and e.id = u.id
    group by u.n having count(e.id) > 0
  loop
    verdicts[hit.n] := case when hit.same = hit.entries then is_duplicate else is_mismatch end;
  end loop;

  return query
  with judged as (
    select u.i, u.n, append_clinic[u.n] as c, u.state_changing,
      verdicts[u.n] = is_candidate and (
        append_rests[u.n] = any_state
        or append_rests[u.n] = states[append_clinic[u.n]] and u.n <= coalesce(
          min(u.n) filter (
            where u.state_changing and verdicts[u.n] = is_candidate
              and (append_rests[u.n] = any_state or append_rests[u.n] = states[append_clinic[u.n]])
          ) over (partition by append_clinic[u.n]),
          u.n
        )
      ) as stored
    from unnest(entry_append, entry_state_changing) with ordinality u (n, state_changing, i)
  ),
  placed as materialized (
    select j.*,
      start_position + row_number() over (partition by j.stored order by j.i) as position,
      greatest(revisions[j.c], -1) + row_number() over (partition by j.c, j.stored order by j.i) as revision
    from judged j
  ),
  seen as materialized (
    select p.*,
      max(p.revision) filter (where p.stored and p.state_changing) over (partition by p.c order by p.i) as state_here,
      max(p.revision) filter (where p.stored and p.state_changing) over (partition by p.c) as state_after
    from placed p
  ),
  written as (
    insert into chartwarden_ledger.entries
      (position, revision, recorded_at, id, log_id, state_changing, clinic, type, request_digest, bytes)
    select p.position, p.revision, now_ms, entry_id[p.i], 1, p.state_changing, clinics[p.c], types[entry_type[p.i]],
      substr(digests, (p.i * 32 - 31)::int, 32),
      substr(contents, content_bounds[p.i] + 1, content_bounds[p.i + 1] - content_bounds[p.i])
    from placed p where p.stored
  ),
  moved_heads as (
    insert into chartwarden_ledger.heads as h (clinic, revision, state_revision)
    select clinics[p.c], max(p.revision), coalesce(max(p.state_after), states[p.c]) from seen p where p.stored group by p.c
    on conflict (clinic) do update set revision = excluded.revision, state_revision = excluded.state_revision
  ),
  moved_log as (
    update chartwarden_ledger.log_head h set position = h.position + l.entries
    from (select count(*) as entries from placed p where p.stored) l
    where h.log_id = 1 and l.entries > 0
    returning pg_notify('chartwarden_ledger', h.position::text)
  )
  select p.n,
    case when verdicts[p.n] <> is_candidate then verdicts[p.n] when bool_and(p.stored) then is_stored else is_moved end,
    min(p.revision),
    coalesce(max(case when p.stored then p.state_here else p.state_after end), states[min(p.c)]),
    now_ms, start_position + (select count(*) from placed p where p.stored),
    null::uuid, null::text, null::boolean, null::bytea, null::bytea, null::bigint
  from seen p group by p.n;

  if is_duplicate = any (verdicts) then
    return query
    select u.n, is_original, e.revision, null::bigint, now_ms, start_position,
      e.id, e.type, e.state_changing, e.request_digest, e.bytes, e.recorded_at
    from unnest(entry_append, entry_id) with ordinality u (n, id, i)
    join chartwarden_ledger.entries e on e.clinic = clinics[append_clinic[u.n]] and e.id = u.id
    where verdicts[u.n] = is_duplicate
    order by u.i;
  end if;
end
$$;
grant create on schema chartwarden_ledger to chartwarden_append;
alter function chartwarden_ledger.append owner to chartwarden_append;
revoke create on schema chartwarden_ledger from chartwarden_append;
set local role chartwarden_append;
revoke all on function chartwarden_ledger.append from public;
grant execute on function chartwarden_ledger.append to chartwarden_writer;
`

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(append).execute(db)
  await sql`reset role`.execute(db)
}
