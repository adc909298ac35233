/** The live tail: what happens is sent in order, nothing is missing after a break, and nobody goes on who may not. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { type AccessRow, ReportService } from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'
import { watchesRecorded } from '../support/watches-recorded.ts'

const clinic = 'north'

const aClinic = async (t: Test) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  for (const id of ['anna', 'ben']) await hire(clients, clinic, id)
  await hire(clients, clinic, 'olga', 'administrator')
  const acting = service.client(ReportService, await service.token({ clinics: [clinic], scopes: [...ownScopes, 'act'] as Scope[] }))
  return { service, clients, acting }
}

type Watch = AsyncIterator<Awaited<ReturnType<AsyncIterator<{ item: { case: string | undefined; value?: unknown } }>['next']>>['value']>

/** Rows until there are `count`, and the revision said last. */
const take = async (watch: Watch, count: number) => {
  const rows: AccessRow[] = []
  let completeTo = -1n
  while (rows.length < count || completeTo < (rows.at(-1)?.entry?.revision ?? 0n)) {
    const step = await watch.next()
    if (step.done === true) throw new Error('the watch ended')
    const { item } = step.value
    if (item.case === 'row') rows.push(item.value as AccessRow)
    if (item.case === 'completeToRevision') completeTo = item.value as bigint
  }
  return { rows, completeTo }
}

const whatOf = ({ subject, reasonCode }: AccessRow) => `${subject?.id} ${reasonCode}`

t.test('accesses that match come as they happen, and a watch taken up again misses none and repeats none', async (t) => {
  const { service, clients } = await aClinic(t)
  const { access, reports } = clients
  await access.check(readRecord(clinic, 'anna'))
  const request = { clinic, filter: { subject: staff('anna') } }
  const abort = new AbortController()
  const watch = reports.watchAccess(request, { signal: abort.signal })[Symbol.asyncIterator]()
  const first = take(watch, 2)
  // The watch begins with its own reading: what comes after that entry is sent, what came before is not.
  await waitFor('the watch to be recorded', async () => (await watchesRecorded(clients, clinic)) === 1)
  await access.check(readRecord(clinic, 'ben'))
  await access.check(readRecord(clinic, 'anna', { patient: 'p-2' }))
  await access.check(readRecord(clinic, 'anna', { patient: 'p-3', probe: true }))
  await access.check(readRecord(clinic, 'anna', { patient: 'p-4' }))
  const { rows, completeTo } = await first
  t.same(
    rows.map(({ patientId }) => patientId),
    ['p-2', 'p-4'],
    'in order, of the person alone, and no probe',
  )
  abort.abort()

  for (const patient of ['p-5', 'p-6', 'p-7']) await access.check(readRecord(clinic, 'anna', { patient }))
  const again = reports.watchAccess({ ...request, fromRevision: completeTo + 1n })[Symbol.asyncIterator]()
  const resumed = await take(again, 3)
  t.same(
    resumed.rows.map(({ patientId }) => patientId),
    ['p-5', 'p-6', 'p-7'],
  )
  const whole = await take(reports.watchAccess({ ...request, fromRevision: 0n })[Symbol.asyncIterator](), 6)
  const { rows: history } = await reports.accessHistory({ clinic, filter: { subject: staff('anna') } })
  t.same(whole.rows, history.toReversed(), 'from the beginning it is the history, oldest first')

  const stopped = service.stop()
  for (;;) {
    const step = await again.next()
    if (step.done === true) throw new Error('the watch was cut')
    if (step.value.item.case !== 'end') continue
    t.equal(step.value.item.value.items, 3n, 'a service that stops says so')
    break
  }
  await stopped
})

t.test('a watch is one entry, and ends when its person may read no more', async (t) => {
  const { clients, acting } = await aClinic(t)
  const watch = acting.watchAccess({ clinic, onBehalfOf: staff('olga'), fromRevision: 0n })[Symbol.asyncIterator]()
  await clients.access.check(readRecord(clinic, 'ben'))
  const { rows } = await take(watch, 1)
  t.same(rows.map(whatOf), ['ben role_permits'])
  await clients.people.offboard({ requestId: randomUUID(), clinic, subject: staff('olga') })
  await clients.access.check(readRecord(clinic, 'anna'))
  const sent: string[] = []
  let reason = ''
  try {
    for (;;) {
      const step = await watch.next()
      if (step.done === true) break
      if (step.value.item.case === 'row') sent.push(whatOf(step.value.item.value))
    }
  } catch (error) {
    reason = (error as ChartwardenError).reason
  }
  t.equal(reason, 'NOT_PERMITTED')
  t.same(
    sent.filter((what) => what.startsWith('anna')),
    [],
    'what happened after the person left is not sent',
  )
  await waitFor('the refusal in the history', async () => {
    const { rows: refused } = await clients.reports.accessHistory({ clinic, filter: { subject: staff('olga') } })
    return refused[0]?.reasonCode === 'offboarded'
  })
  t.equal(await watchesRecorded(clients, clinic), 2, 'one reading and one refusal')
})

t.test('what is wrong with a watch is said at once, and nothing is recorded', async (t) => {
  const { clients, service } = await aClinic(t)
  const head = async () => (await clients.clinics.listClinics({})).clinics.find((found) => found.clinic === clinic)?.headRevision
  const before = await head()
  const begin = (request: object, reports = clients.reports) =>
    reports
      .watchAccess({ clinic, ...request })
      [Symbol.asyncIterator]()
      .next()
  await t.rejects(begin({ fromRevision: 2n ** 63n }), fault('INVALID_ARGUMENT'))
  await t.rejects(begin({ filter: { kinds: [99] } }), fault('INVALID_ARGUMENT'))
  await t.rejects(begin({ filter: { subject: { type: '', id: 'anna' } } }), fault('INVALID_ARGUMENT'))
  await t.rejects(begin({ clinic: 'south' }), fault('CLINIC_NOT_ALLOWED'))
  const scopeless = service.client(ReportService, await service.token({ clinics: [clinic], scopes: ['audit.read'] as Scope[] }))
  await t.rejects(begin({}, scopeless), fault('SCOPE_MISSING'))
  t.equal(await head(), before)
})
