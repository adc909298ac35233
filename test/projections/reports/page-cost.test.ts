/** A page costs the page and not the ledger: the plans of the report queries on a clinic of 60,000 accesses among other clinics. */
import { type Kysely, sql } from 'kysely'
import t from 'tap'
import type { Pseudonym } from '../../../services/audit/vault.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import type { ProjectionDatabase } from '../../../services/projections/database.ts'
import { accessRowsQuery } from '../../../services/projections/reports/access-history.ts'
import { disclosureRowsQuery } from '../../../services/projections/reports/disclosures.ts'
import { createReportReader } from '../../../services/projections/reports/report-reader.ts'
import { grantsInForceQuery } from '../../../services/projections/reports/role-grants.ts'
import { activityRowsQuery } from '../../../services/projections/reports/staff-activity.ts'
import { createProjectionHouse } from '../../support/projections.ts'

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: readonly PlanNode[]
}

const nodes = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodes)]

t.test('a page costs the page', async (t) => {
  const house = await createProjectionHouse(t)
  const reader = createReportReader({ pool: house.queryPool, clock: systemClock })
  const [accessHistory, roleGrants] = [await house.qualified('access_history'), await house.qualified('role_grants')]
  // One kind in a thousand is rare and old; patients and persons spread over all of it.
  await house.adminPool.query(`
    insert into ${accessHistory}
    select clinic, n, gen_random_uuid(), 'chartwarden.access.decided.v1', moment, moment, sha256(n::text::bytea),
      case when n % 1000 = 7 and n < 20000 then 'refused' when n % 3 = 0 then 'probed' else 'authorised' end,
      moment, 'staff', 'staff-' || n % 40, 'read', 'imaging', 'patient-' || n % 2000, 'TREAT', 'role_permits', 'role/dentist#1', 'app', '{}', 'permit',
      null, '{}', null, false, null
    from unnest(array['north', 'south', 'west']) clinic, generate_series(0, case when clinic = 'north' then 60000 else 15000 end) n,
      lateral (select timestamptz '2026-01-01' + n * interval '1 minute' as moment) m`)
  await house.adminPool.query(`
    insert into ${roleGrants} (clinic, grant_id, revision, entry_type, entry_time, leaf_hash, subject_type, subject, role,
      valid_from, valid_until, ended_at, ended_revision)
    select 'north', gen_random_uuid(), n, 'chartwarden.role.granted.v1', moment, sha256(n::text::bytea), 'staff', 'staff-' || n % 400, 'dentist', moment,
      case when n % 2 = 0 and n < 19950 then moment + interval '1 hour' end, case when n % 2 = 1 and n < 19950 then moment + interval '1 hour' end,
      case when n % 2 = 1 and n < 19950 then n + 1 end
    from generate_series(0, 20000) n, lateral (select timestamptz '2026-01-01' + n * interval '1 minute' as moment) m`)
  const disclosures = await house.qualified('disclosures')
  await house.adminPool.query(`
    insert into ${disclosures}
    select 'north', n, gen_random_uuid(), 'chartwarden.disclosure.recorded.v1', moment, sha256(n::text::bytea), 'app', 'patient-' || n % 2000,
      'staff', 'staff-1', moment, case when n % 5 = 0 then 'authorized' else 'accountable' end, 'series-' || n % 6000, null, '{}', null
    from generate_series(0, 30000) n, lateral (select timestamptz '2026-01-01' + n * interval '1 minute' as moment) m`)
  const activities = await house.qualified('activities')
  await house.adminPool.query(`
    insert into ${activities}
    select 'north', n, gen_random_uuid(), 'chartwarden.trail.viewed.v1', moment, sha256(n::text::bytea), 'app-' || n % 3,
      case when n % 1000 = 7 and n < 20000 then 'change' else 'reading' end, 'staff', case when n % 50 > 0 then 'staff-' || n % 40 end,
      null, null, null, 'summary'
    from generate_series(0, 60000) n, lateral (select timestamptz '2026-01-01' + n * interval '1 minute' as moment) m`)
  await house.adminPool.query(`vacuum analyze ${accessHistory}, ${roleGrants}, ${disclosures}, ${activities}`)

  const explain = async (build: (db: Kysely<ProjectionDatabase>) => { compile(): { sql: string; parameters: readonly unknown[] } }) =>
    reader.read('north', systemClock.monotonic() + 60_000, async (transaction) => {
      const { sql: text, parameters } = build(transaction).compile()
      const parts = text.split(/\$\d+/)
      const query = sql.join(
        parts.flatMap((part, index) => (index === 0 ? [sql.raw(part)] : [sql`${parameters[index - 1]}`, sql.raw(part)])),
        sql``,
      )
      const { rows } = await sql<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>`explain (analyze, buffers, format json) ${query}`.execute(
        transaction,
      )
      const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
      if (plan === undefined) throw new Error('no plan')
      const all = nodes(plan)
      return {
        rows: plan['Actual Rows'],
        buffers: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
        touched: Math.max(
          ...all.map(
            (node) =>
              (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) *
              node['Actual Loops'],
          ),
        ),
        scans: all.some((node) => node['Node Type'] === 'Seq Scan'),
      }
    })

  const anything = { resourceTypes: [], actions: [], purposes: [], kinds: ['authorised', 'performed', 'refused'] as const }
  const moment = (minutes: number) => BigInt(Date.parse('2026-01-01T00:00:00Z')) * 1_000n + BigInt(minutes) * 60_000_000n
  const filters = {
    'no filter': anything,
    'a patient': { ...anything, patient: 'patient-9' as Pseudonym },
    'a person': { ...anything, subject: 'staff-9' as Pseudonym },
    'a patient and a person': { ...anything, patient: 'patient-9' as Pseudonym, subject: 'staff-9' as Pseudonym },
    'a rare kind': { ...anything, kinds: ['refused'] as const },
    'probes only': { ...anything, kinds: ['probed'] as const },
    'a period long ago': { ...anything, from: moment(1_000), until: moment(9_000) },
  }
  const pages = { first: {}, middle: { after: { occurredAt: moment(30_000), revision: 30_000n } } }
  for (const [name, filter] of Object.entries(filters)) {
    for (const [page, range] of Object.entries(pages)) {
      const cost = await explain((db) => accessRowsQuery(db, 'north', filter, { through: 60_000n, limit: 101, ...range }))
      t.notOk(cost.scans, `${name}, ${page} page: no table is scanned`)
      t.ok(cost.touched <= 2 * 101, `${name}, ${page} page: ${cost.touched} rows touched for ${cost.rows}`)
      t.ok(cost.buffers <= 140, `${name}, ${page} page: ${cost.buffers} buffers`)
    }
  }

  const period = { from: moment(0), until: moment(40_000), now: moment(40_000), through: 60_000n, includeSuspended: false }
  for (const [name, query] of Object.entries({
    'every disclosure': { ...period, includeExcluded: true, groupRepeats: false },
    'the accounting of a patient': { ...period, includeExcluded: false, groupRepeats: true, patient: 'patient-9' as Pseudonym },
    'groups of every patient': { ...period, includeExcluded: false, groupRepeats: true },
  })) {
    const cost = await explain((db) => ({
      compile: () => disclosureRowsQuery(db, 'north', query, { after: undefined, limit: 101 }).compile(db),
    }))
    t.notOk(cost.scans, `${name}: no table is scanned`)
    t.ok(cost.rows > 0 && cost.touched <= 6 * 101, `${name}: ${cost.touched} rows touched for ${cost.rows}`)
    t.ok(cost.buffers <= 2_500, `${name}: ${cost.buffers} buffers`)
  }

  for (const [name, asOf] of [
    ['now', moment(100_000)],
    ['long ago', moment(1_030)],
  ] as const) {
    const cost = await explain((db) => grantsInForceQuery(db, 'north', { asOf, through: 60_000n, limit: 101 }))
    t.ok(cost.rows > 40, `grants ${name}: ${cost.rows} rows`)
    if (name === 'now') {
      t.notOk(cost.scans, `grants ${name}: no table is scanned`)
      t.ok(cost.buffers <= 300, `grants ${name}: ${cost.buffers} buffers`)
    }
  }
  const one = await explain((db) =>
    grantsInForceQuery(db, 'north', { asOf: moment(5_000), through: 60_000n, limit: 101, subject: 'staff-9' as Pseudonym }),
  )
  t.notOk(one.scans, 'grants of a person: no table is scanned')
  t.ok(one.buffers <= 100, `grants of a person: ${one.buffers} buffers`)

  const readings = { software: undefined, kinds: ['change', 'reading', 'recording'] as const, from: undefined, until: undefined }
  for (const [name, query] of Object.entries({
    'a person who did little': { ...readings, subject: 'staff-7' as Pseudonym },
    'a period of a person': { ...readings, subject: 'staff-9' as Pseudonym, from: moment(1_000), until: moment(9_000) },
    software: { ...readings, subject: 'service-1' as Pseudonym, software: 'app-1', kinds: ['reading'] as const },
  })) {
    for (const [page, range] of Object.entries(pages)) {
      const cost = await explain((db) => activityRowsQuery(db, 'north', query, { through: 60_000n, limit: 101, ...range }))
      t.notOk(cost.scans, `${name}, ${page} page: no table is scanned`)
      t.ok(cost.buffers <= 800, `${name}, ${page} page: ${cost.buffers} buffers`)
    }
  }
})
