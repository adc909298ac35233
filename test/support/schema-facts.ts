/**
 * What a release relies on in a database: tables and columns it reads and writes, functions it calls, what its roles may do. And the rule of
 * docs/explanation/upgrades.md as a function: what a newer schema must not have taken from one that is still in use.
 */
import type { Pool, PoolClient } from 'pg'

/** What is there, as `kind name`, and how it is. */
export type SchemaFacts = ReadonlyMap<string, string>

const factsQuery = `
  with ours as (select oid, nspname from pg_namespace where nspname like 'chartwarden\\_%' and nspname <> 'chartwarden_migrations'),
  relations as (select c.*, n.nspname from pg_class c join ours n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition)
  select format('column %s.%s.%s', r.nspname, r.relname, a.attname) as what,
      format('%s%s%s', format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' end,
        case when a.atthasdef or a.attidentity <> '' then ' default' end) as how
    from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
  union all
  select format('function %s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), pg_get_function_result(p.oid)
    from pg_proc p join ours n on n.oid = p.pronamespace where p.prorettype <> 'trigger'::regtype
  union all
  select format('constraint %s.%s: %s', r.nspname, r.relname, pg_get_constraintdef(k.oid)), ''
    from relations r join pg_constraint k on k.conrelid = r.oid where k.contype in ('c', 'u', 'f', 'x', 'p')
  union all
  select format('grant %s on %s.%s to %s', g.privilege_type, r.nspname, r.relname, g.grantee::regrole), ''
    from relations r cross join aclexplode(r.relacl) g where g.grantee <> 0
  union all
  select format('grant EXECUTE on %s.%s(%s) to %s', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), g.grantee::regrole), ''
    from pg_proc p join ours n on n.oid = p.pronamespace cross join aclexplode(p.proacl) g where g.grantee <> 0
  union all
  select format('policy %s on %s.%s', p.polname, r.nspname, r.relname),
      concat_ws(' | ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    from relations r join pg_policy p on p.polrelid = r.oid`

export const readSchemaFacts = async (pool: Pool | PoolClient): Promise<SchemaFacts> => {
  const { rows } = await pool.query<{ what: string; how: string }>(factsQuery)
  return new Map(rows.map(({ what, how }) => [what, how]))
}

const tableOf = (what: string): string | undefined => /^(?:column|constraint) (\w+\.\w+)/.exec(what)?.[1]

/** Everything by which the newer schema breaks a release that was written for the older one; empty when both can use it. */
export const brokenPromises = (older: SchemaFacts, newer: SchemaFacts): readonly string[] => {
  const faults: string[] = []
  for (const [what, how] of older) {
    const now = newer.get(what)
    if (now === undefined) {
      // One rule less admits what the other release writes.
      if (!what.startsWith('constraint') || /: (PRIMARY KEY|UNIQUE)/.test(what)) faults.push(`gone: ${what}`)
    } else if (now !== how) faults.push(`changed: ${what}: ${how} -> ${now}`)
  }
  const tables = new Set([...older.keys()].map(tableOf))
  for (const [what, how] of newer) {
    if (older.has(what) || !tables.has(tableOf(what))) continue
    if (what.startsWith('constraint')) faults.push(`new rule on a table in use: ${what}`)
    if (what.startsWith('column') && how.endsWith(' not null')) faults.push(`new column that the older release does not fill: ${what}`)
  }
  return faults
}
