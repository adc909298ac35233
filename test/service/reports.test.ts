/** The reports over gRPC: who may read them, what of a reading is recorded, and that a stream is one reading. */
import { randomUUID } from 'node:crypto'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import t, { type Test } from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ReportService, SummaryDimension } from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { Scope } from '../../services/kernel/scopes.ts'
import { caught } from '../support/caught.ts'
import { type Clients, clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'

const clinic = 'north'
const window = { from: timestampFromMs(0), until: timestampFromMs(Date.parse('2100-01-01T00:00:00Z')) }
const olga = staff('olga')

const aClinic = async (t: Test) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')
  await hire(clients, clinic, 'olga', 'administrator')
  const { entry } = await clients.access.check(readRecord(clinic, 'anna'))
  const acting = service.client(ReportService, await service.token({ clinics: [clinic], scopes: [...ownScopes, 'act'] as Scope[] }))
  const head = async () => (await clients.clinics.listClinics({})).clinics.find((found) => found.clinic === clinic)?.headRevision ?? 0n
  return { service, clients, acting, head, revision: entry?.revision ?? 0n }
}

/** One call of each report, answered in full. */
const everyReport = (
  reports: Clients['reports'],
  common: { clinic: string; onBehalfOf?: typeof olga },
): Readonly<Record<string, () => Promise<unknown>>> => ({
  summary: () => reports.summary({ ...common, query: { dimensions: [SummaryDimension.DAY] } }),
  patient_report: () => reports.patientReport({ ...common, query: { patientId: 'p-1' } }),
  staff_activity: () => reports.staffActivity({ ...common, query: { subject: staff('anna') } }),
  account_scope: () => reports.accountScope({ ...common, query: { account: { case: 'subject', value: staff('anna') }, ...window } }),
})

t.test('each report is one reading, streamed or not, and needs a person who may read the audit log', async (t) => {
  const { clients, acting, head, revision } = await aClinic(t)
  await clients.reports.summary({ clinic, waitForRevision: revision })
  for (const [name, call] of Object.entries(everyReport(acting, { clinic, onBehalfOf: olga }))) {
    const before = await head()
    await call()
    t.equal(await head(), before + 1n, `${name} is one entry`)
  }
  const before = await head()
  const items: unknown[] = []
  for await (const { item } of acting.streamReport({ clinic, onBehalfOf: olga, report: { case: 'summary', value: {} } }))
    items.push(item.case)
  t.same(items, ['summaryTotals', 'summary', 'end'])
  t.equal(await head(), before + 1n, 'a stream is one entry')
  const activity = await clients.reports.staffActivity({ clinic, query: { subject: olga }, waitForRevision: before + 1n })
  t.match(
    activity.rows.map(({ detail, type }) => `${type} ${detail}`),
    ['summary', 'account_scope', 'staff_activity', 'patient_report', 'summary'].map((query) => `chartwarden.trail.viewed.v1 ${query}`),
    'the readings are the activity of the person named',
  )

  const refusedAt = await head()
  for (const [name, call] of Object.entries(everyReport(acting, { clinic, onBehalfOf: staff('anna') }))) {
    t.equal((await caught(call())).reason, 'NOT_PERMITTED', name)
  }
  await t.rejects(
    acting
      .streamReport({ clinic, onBehalfOf: staff('anna'), report: { case: 'summary', value: {} } })
      [Symbol.asyncIterator]()
      .next(),
    fault('NOT_PERMITTED'),
  )
  t.equal(await head(), refusedAt + 5n, 'each refusal is recorded')
  const history = await clients.reports.accessHistory({ clinic, filter: { subject: staff('anna') }, waitForRevision: refusedAt + 5n })
  t.match(history.rows[0], {
    resourceType: 'audit_log',
    action: 'read',
    reasonCode: 'no_grant',
    resourceId: 'summary',
    flags: ['administrative'],
  })
})

t.test('another clinic and a token without the scope are refused, and no ledger of a clinic hears of it', async (t) => {
  const { service, clients, head } = await aClinic(t)
  const before = await head()
  for (const call of Object.values(everyReport(clients.reports, { clinic: 'south' }))) await t.rejects(call(), fault('CLINIC_NOT_ALLOWED'))
  await t.rejects(
    clients.reports
      .streamReport({ clinic: 'south', report: { case: 'summary', value: {} } })
      [Symbol.asyncIterator]()
      .next(),
    fault('CLINIC_NOT_ALLOWED'),
  )
  t.equal(await head(), before)
  const scopeless = service.client(ReportService, await service.token({ clinics: [clinic], scopes: ['audit.read'] as Scope[] }))
  for (const call of Object.values(everyReport(scopeless, { clinic }))) await t.rejects(call(), fault('SCOPE_MISSING'))
})

t.test('names in the report of a patient need the right to read staff accounts besides, page by page', async (t) => {
  const { clients, acting, revision } = await aClinic(t)
  const { entry } = await clients.access.check(readRecord(clinic, 'anna'))
  const patientId = readRecord(clinic, 'anna').resource?.patientId ?? ''
  const query = { patientId, staffNames: true }
  const common = { clinic, onBehalfOf: olga, waitForRevision: entry?.revision ?? revision }
  const refused = await caught(acting.patientReport({ ...common, query }))
  t.match(refused, { reason: 'NOT_PERMITTED', metadata: { needs: 'staff_account read' } })
  t.match((await acting.patientReport({ ...common, query: { patientId } })).rows, [{ subject: undefined }, { subject: undefined }])
  await clients.policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: { role: 'names', title: 'Names', permissions: [{ resourceType: 'staff_account', actions: ['read'], effect: Effect.PERMIT }] },
  })
  const { grantId } = await clients.people.grantRole({ requestId: randomUUID(), clinic, subject: olga, role: 'names' })
  const first = await acting.patientReport({ ...common, query, pageSize: 1 })
  t.match(first.rows, [{ subject: staff('anna') }])
  const { waitForRevision: _, ...later } = common
  await clients.people.revokeRole({ requestId: randomUUID(), clinic, subject: olga, grantId })
  t.match(
    await caught(acting.patientReport({ ...later, query, pageSize: 1, pageToken: first.nextPageToken })),
    { reason: 'NOT_PERMITTED', metadata: { needs: 'staff_account read' } },
    'a later page is decided anew',
  )
  t.match(
    (await clients.reports.patientReport({ clinic, query })).rows,
    [{ subject: staff('anna') }, {}],
    'software that calls for nobody acts on its scope alone',
  )
})
