/** A stream holds one page, however many rows there are. Rows are made by the database; a second collector that keeps them is noticed. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { create } from '@bufbuild/protobuf'
import t from 'tap'
import { PatientReportQuerySchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { createPageTokens } from '../../../services/kernel/page-tokens.ts'
import { createReportCalls } from '../../../services/projections/doors/report-calls.ts'
import { accessHistoryReport } from '../../../services/projections/doors/reports/access-history.ts'
import { patientReportReport } from '../../../services/projections/doors/reports/patient-report.ts'
import { createPeople } from '../../../services/projections/reports/people.ts'
import type { PageRange, ReportCall } from '../../../services/projections/reports/report-call.ts'
import { createReportReader } from '../../../services/projections/reports/report-reader.ts'
import { createProjectionHouse } from '../../support/projections.ts'
import { contextOf } from '../../support/reports.ts'

const rows = 40_000
/** Rows kept would hold ten times as much. */
const mostBytes = 24 * 1_048_576

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const heapUsed = (): number => {
  collect()
  return process.memoryUsage().heapUsed
}

t.test('a stream of a forty thousand rows holds one page', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  await house.catchUp()
  await house.adminPool.query(
    `insert into ${await house.qualified('access_history')}
     select 'north', n, gen_random_uuid(), 'chartwarden.access.decided.v1', moment, moment, sha256(n::text::bytea), 'authorised', moment,
       'staff', $1, 'read', 'imaging', $2, 'TREAT', 'role_permits', 'role/dentist#1', 'app', '{}', 'permit', null, '{dentist}', null, false, null
     from generate_series(1, ${rows}) n, lateral (select timestamptz '2026-01-01' + n * interval '1 second' as moment) m`,
    [anna.pseudonym, patient],
  )
  const calls = createReportCalls({
    vault: house.vault,
    authoriseReading: async () => ({ revision: 0n }),
    reader: createReportReader({ pool: house.queryPool, clock: systemClock }),
    people: createPeople(),
    progress: { advanced: () => {}, waitFor: async () => {} },
    tokens: createPageTokens({ key: Buffer.alloc(32, 1), clock: systemClock, randomness: systemRandomness }),
    clock: systemClock,
    defaultDeadlineMs: 60_000,
  })
  // The rows stand beyond the entries that the read models know of.
  const wholly = <Report extends { readonly page: (call: ReportCall, query: never, range: PageRange) => unknown }>(
    report: Report,
  ): Report => ({
    ...report,
    page: (call: ReportCall, query: never, range: PageRange) => report.page(call, query, { ...range, through: BigInt(rows) }),
  })

  /** Heap at its highest over that at the beginning, and the rows that came. */
  const measure = async (stream: AsyncIterable<{ readonly kind: string }>, keep: unknown[] | undefined) => {
    const before = heapUsed()
    let highest = 0
    let seen = 0
    for await (const item of stream) {
      if (item.kind === 'row') seen += 1
      keep?.push(item)
      if (seen % 20_000 === 0) highest = Math.max(highest, heapUsed() - before)
    }
    return { highest, seen }
  }
  const context = () => contextOf({ withinMs: 120_000 })
  const request = { clinic: 'north' }
  const history = () => calls.stream(wholly(accessHistoryReport), { message: undefined }, request, context())
  const all = await measure(history(), undefined)
  t.equal(all.seen, rows)
  t.ok(all.highest < mostBytes, `${all.highest} bytes at the highest`)
  const one = await measure(
    calls.stream(wholly(patientReportReport), { message: create(PatientReportQuerySchema, { patientId: 'p-1' }) }, request, context()),
    undefined,
  )
  t.equal(one.seen, rows)
  t.ok(one.highest < mostBytes, `${one.highest} bytes at the highest`)
  const kept = await measure(history(), [])
  t.ok(kept.highest > mostBytes, `the twin, which keeps them: ${kept.highest} bytes`)
})
