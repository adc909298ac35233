import t from 'tap'
import { sql } from 'kysely'
import type { Pseudonym } from '../../../../services/audit/vault.ts'
import { systemClock } from '../../../../services/kernel/clock.ts'
import { accountScope } from '../../../../services/projections/reports/account-scope.ts'
import { patientReport } from '../../../../services/projections/reports/patient-report.ts'
import { createPeople } from '../../../../services/projections/reports/people.ts'
import { createReportReader } from '../../../../services/projections/reports/report-reader.ts'
import { summary, summaryRowsQuery } from '../../../../services/projections/reports/summary.ts'
import { createProjectionHouse } from '../../../support/projections.ts'
const N = Number(400000)
t.test('measure', { timeout: 600000 }, async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const table = await house.qualified('access_history')
  const t0 = performance.now()
  for (let lo = 0; lo < N; lo += 50_000) await house.adminPool.query(`
    insert into ${table}
    select 'north', n, gen_random_uuid(), 'chartwarden.access.decided.v1', moment, moment, sha256(n::text::bytea),
      case when n % 10 = 7 then 'refused' when n % 10 < 3 then 'probed' when n % 10 = 5 then 'performed' else 'authorised' end,
      moment, 'staff', 'staff-' || n % 40, 'read', (array['imaging','invoice','clinical_note','treatment_record'])[1 + n % 4], 'patient-' || (n::bigint * 7919) % 20000, (array['TREAT','HPAYMT'])[1 + n % 2], 'role_permits', 'role/dentist#1', 'app' || n % 3, '{}', 'permit',
      null, '{dentist}', null, false, null
    from generate_series(${lo}, ${lo + 49_999}) n, lateral (select timestamptz '2025-11-01' + n * interval '31.5 seconds' as moment) m`)
  await house.adminPool.query(`vacuum analyze ${table}`)
  console.log('loaded', N, Math.round(performance.now() - t0))
  const reader = createReportReader({ pool: house.queryPool, clock: systemClock })
  const call = { clinic: 'north', projections: [], vault: script.vault, reader, people: createPeople(), unseal: false, deadline: systemClock.monotonic() + 600000 }
  const filter = { resourceTypes: [], actions: [], purposes: [], kinds: ['authorised', 'performed', 'refused'] as const }
  const time = async (name: string, work: () => Promise<unknown>) => { const s = performance.now(); const r = await work(); console.log(name, Math.round(performance.now() - s), r) }
  await time('summary stream day,subject', async () => {
    let after, rows = 0, pages = 0
    do { const p = await summary(call, { filter, dimensions: ['day', 'subject'], timeZone: 'Europe/Berlin' }, { through: BigInt(N), after, limit: 10000 }); rows += p.rows.length; after = p.next; pages++ } while (after)
    return [rows, pages]
  })
  await time('summary month day,kind', async () => (await summary(call, { filter: { ...filter, from: 1764547200000000n, until: 1767225600000000n }, dimensions: ['day', 'kind'], timeZone: 'Europe/Berlin' }, { through: BigInt(N), after: undefined, limit: 1000 })).extra)
  const explain = async (q: any) => { await reader.read('north', systemClock.monotonic() + 600000, async (tx) => { await sql`select set_config('work_mem', '64MB', true)`.execute(tx); const { sql: text, parameters } = q(tx).compile(tx); const parts = text.split(/\$\d+/); const nums = [...text.matchAll(/\$(\d+)/g)].map((m: any) => Number(m[1]) - 1); const e = sql.join(parts.flatMap((p: string, i: number) => i === 0 ? [sql.raw(p)] : [sql`${parameters[nums[i-1] as number]}`, sql.raw(p)]), sql``); const { rows } = await sql<any>`explain (analyze, buffers) ${e}`.execute(tx); console.log(rows.map((r: any) => r['QUERY PLAN']).join('\n')) }) }
  await explain((tx: any) => summaryRowsQuery(tx, 'north', { filter, dimensions: ['day', 'subject'], timeZone: 'Europe/Berlin' }, { through: BigInt(N), after: undefined, limit: 1001 }))
  const from = 1764547200000000n, until = 1767225600000000n
  await time('scope of a person, a month', async () => { const s = await accountScope(call, { account: { kind: 'subject', subject: 'staff-9' as Pseudonym }, from, until }, { through: BigInt(N), after: undefined, limit: 1000 }, { maxOpenedAccesses: 0n }); return s.extra })
  await time('scope of a caller, a month', async () => { const s = await accountScope(call, { account: { kind: 'caller', caller: 'app1' }, from, until }, { through: BigInt(N), after: undefined, limit: 1000 }, { maxOpenedAccesses: 0n }); return s.extra })
  await time('scope of a caller, the year', async () => { const s = await accountScope(call, { account: { kind: 'caller', caller: 'app1' }, from: 0n, until: 4000000000000000n }, { through: BigInt(N), after: undefined, limit: 1000 }, { maxOpenedAccesses: 0n }); return s.extra })
  await time('scope of a rare caller, the year', async () => { const s = await accountScope(call, { account: { kind: 'caller', caller: 'appX' }, from: 0n, until: 4000000000000000n }, { through: BigInt(N), after: undefined, limit: 1000 }, { maxOpenedAccesses: 0n }); return s.extra.authorised })
  await time('patient page', async () => (await patientReport(call, { filter: { ...filter, patient: 'patient-9' as Pseudonym }, staffNames: false }, { through: BigInt(N), after: undefined, limit: 100 })).rows.length)
})
