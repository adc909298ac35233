/** Questions about the past, answered from the ledger: what was said then is what is said of then. */
import { randomUUID } from 'node:crypto'
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { WhatCanList } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { accessOverGrpc } from '../support/access-over-grpc.ts'
import { type Clients, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'

const minute = 60_000
const people = ['anna', 'ben', 'cleo']
const image = { type: 'imaging', id: 'image-1', patientId: 'patient-1' }

const aClinic = async (t: Test) => {
  const house = await accessOverGrpc(t)
  const clinic = 'north'
  const clients = house.clients(clinic)
  await registerTestClinic(clients, clinic)
  for (const id of people) await hire(clients, clinic, id)
  return { ...house, clinic, clinicClients: clients }
}

/** What is answered about who could do what, now or as of a moment; without the entry that says somebody asked. */
const answers = async ({ access, people: staffService }: Clients, clinic: string, moment?: number) => {
  const asOf = moment === undefined ? {} : { asOf: timestampFromMs(moment) }
  const supported = { supportedObligations: ['fields'] }
  const able = async (resource: typeof image) => {
    const found: string[] = []
    let pageToken = ''
    do {
      const page = await access.whoCan({
        clinic,
        action: { name: 'read' },
        resource,
        purpose: 'TREAT',
        pageSize: 1,
        pageToken,
        ...supported,
        ...asOf,
      })
      found.push(...page.subjects.map(({ subject, rule }) => `${subject?.id} by ${rule}`))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    return found
  }
  const explained = await access.explain({ clinic, check: { ...readRecord(clinic, 'anna'), resource: image }, ...asOf })
  const what = await access.whatCan({ clinic, subject: staff('ben'), list: WhatCanList.ACTIONS, purpose: 'TREAT', ...supported, ...asOf })
  const { staff: everyone, completeToRevision } = await staffService.listStaff({ clinic, includeFormer: true, ...asOf })
  const { staff: anna } = await staffService.getStaff({ clinic, subject: staff('anna'), ...asOf })
  return {
    records: await able({ ...image, type: 'treatment_record' }),
    images: await able(image),
    explained: [explained.decision, explained.reasonCode, explained.rule, explained.needed, explained.rules.map(({ detail }) => detail)],
    what: what.allowed.map(({ action, resource }) => `${action} ${resource?.type}`),
    everyone: everyone.map(({ subject, status, grants, cutOff }) => [
      subject?.id,
      status,
      grants.map(({ grantId }) => grantId),
      cutOff && timestampMs(cutOff),
    ]),
    anna: anna?.grants.map(({ role, until }) => [role, until && timestampMs(until)]),
    revision: completeToRevision,
  }
}

type Change = (clients: Clients, clinic: string, person: string, now: number) => Promise<unknown>

const ignoring = async (work: Promise<unknown>): Promise<void> => {
  await work.catch((error: unknown) => {
    if (!(error instanceof ChartwardenError) || error.reason === 'INTERNAL') throw error
  })
}

const change = () => ({ requestId: randomUUID() })

const changes: Readonly<Record<string, Change>> = {
  offboard: ({ people: service }, clinic, id) => service.offboard({ ...change(), clinic, subject: staff(id), reason: 'left' }),
  reinstate: ({ people: service }, clinic, id) => service.reinstate({ ...change(), clinic, subject: staff(id), reason: 'back' }),
  grant: ({ people: service }, clinic, id) => service.grantRole({ ...change(), clinic, subject: staff(id), role: 'dentist' }),
  grantForAWhile: ({ people: service }, clinic, id, now) =>
    service.grantRole({ ...change(), clinic, subject: staff(id), role: 'dentist', until: timestampFromMs(now + 3 * minute) }),
  revoke: ({ people: service }, clinic, id) => service.revokeRole({ ...change(), clinic, subject: staff(id), role: 'dentist' }),
  join: ({ relationships }, clinic, id, now) =>
    relationships.putCareTeam({
      ...change(),
      clinic,
      patientId: 'patient-1',
      subject: staff(id),
      until: timestampFromMs(now + 2 * minute),
    }),
  leave: ({ relationships }, clinic, id) =>
    relationships.removeCareTeam({ ...change(), clinic, patientId: 'patient-1', subject: staff(id) }),
  retire: ({ policy }, clinic) => policy.retireRole({ ...change(), clinic, role: 'dentist' }),
  nothing: async () => {},
}

const story = fc.array(
  fc.record({ what: fc.constantFrom(...Object.keys(changes)), who: fc.constantFrom(...people), minutes: fc.integer({ min: 0, max: 4 }) }),
  { minLength: 3, maxLength: 7 },
)

t.test('what is answered of a past moment is what was answered then', async (t) => {
  let different = 0
  await fc.assert(
    fc.asyncProperty(story, async (happenings) => {
      const { clock, clinic, clinicClients: clients } = await aClinic(t)
      const then: { readonly moment: number; readonly answers: Awaited<ReturnType<typeof answers>> }[] = []
      for (const { what, who, minutes } of happenings) {
        await ignoring((changes[what] as Change)(clients, clinic, who, clock.wall()))
        then.push({ moment: clock.wall(), answers: await answers(clients, clinic) })
        // At least a millisecond: two states of one moment cannot be told apart by the clock.
        clock.advance(minutes * minute + 1)
      }
      const now = await answers(clients, clinic)
      for (const { moment, answers: said } of then) {
        t.same(await answers(clients, clinic, moment), said, `as of ${new Date(moment).toISOString()}`)
        // Were the state of today used, these would be equal to today's answers and the comparison above would fail.
        if (JSON.stringify(said, showBigint) !== JSON.stringify(now, showBigint)) different += 1
      }
      t.same(await answers(clients, clinic, clock.wall()), now, 'and of this very moment')
    }),
    { numRuns: 6 },
  )
  t.ok(different > 5, `the past differed from today ${different} times`)
})

const showBigint = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)

t.test('a leaver could open the record until the very entry that ended it', async (t) => {
  const { clock, clinic, clinicClients: clients } = await aClinic(t)
  clock.advance(minute)
  const { entry } = await clients.people.offboard({ ...change(), clinic, subject: staff('ben'), reason: 'left' })
  const ended = timestampMs(entry?.time as NonNullable<typeof entry>['time'] & object)
  clock.advance(60 * minute)
  const could = async (moment: number) =>
    (
      await clients.access.whoCan({
        clinic,
        action: { name: 'read' },
        resource: { ...image, type: 'treatment_record' },
        purpose: 'TREAT',
        asOf: timestampFromMs(moment),
      })
    ).subjects
      .map(({ subject }) => subject?.id)
      .toSorted()
  t.same(await could(ended - 1), ['anna', 'ben', 'cleo'])
  t.same(await could(ended), ['anna', 'cleo'])
  t.same(await could(ended + 1), ['anna', 'cleo'])
  const { decision, reasonCode } = await clients.access.explain({
    clinic,
    check: readRecord(clinic, 'ben'),
    asOf: timestampFromMs(ended - 1),
  })
  t.same([decision, reasonCode], [Decision.PERMIT, 'role_permits'])
})

t.test('a moment still to come, or from before the clinic, is refused, and nothing is recorded', async (t) => {
  const { clock, clinic, clinicClients: clients, entries } = await aClinic(t)
  const registered = clock.wall()
  clock.advance(minute)
  const before = (await entries(clinic)).length
  const asOf = timestampFromMs(clock.wall() + 1)
  const question = { clinic, action: { name: 'read' }, resource: image, purpose: 'TREAT', asOf }
  await t.rejects(clients.access.whoCan(question), fault('INVALID_ARGUMENT'))
  await t.rejects(clients.access.whatCan({ clinic, subject: staff('anna'), purpose: 'TREAT', asOf }), fault('INVALID_ARGUMENT'))
  await t.rejects(clients.access.explain({ clinic, check: readRecord(clinic, 'anna'), asOf }), fault('INVALID_ARGUMENT'))
  await t.rejects(clients.people.getStaff({ clinic, subject: staff('anna'), asOf }), fault('INVALID_ARGUMENT'))
  await t.rejects(clients.people.listStaff({ clinic, asOf }), fault('INVALID_ARGUMENT'))
  const early = timestampFromMs(registered - 1)
  await t.rejects(clients.access.whoCan({ ...question, asOf: early }), fault('INVALID_ARGUMENT'))
  await t.rejects(clients.people.listStaff({ clinic, asOf: early }), fault('INVALID_ARGUMENT'))
  await t.rejects(clients.access.explain({ clinic, check: readRecord(clinic, 'anna'), asOf: early }), fault('INVALID_ARGUMENT'))
  await t.rejects(clients.access.whoCan({ ...question, asOf: { seconds: 1n, nanos: -1 } }), fault('INVALID_ARGUMENT'))
  t.equal((await entries(clinic)).length, before)
})

t.test('a question about the past is recorded with its moment, and a page token holds for that moment alone', async (t) => {
  const { clock, clinic, clinicClients: clients, entries } = await aClinic(t)
  clock.advance(minute)
  const moment = clock.wall()
  clock.advance(minute)
  const question = {
    clinic,
    action: { name: 'read' },
    resource: { ...image, type: 'treatment_record' },
    purpose: 'TREAT',
    pageSize: 1,
    asOf: timestampFromMs(moment),
  }
  const { nextPageToken } = await clients.access.whoCan(question)
  await clients.people.offboard({ ...change(), clinic, subject: staff('cleo'), reason: 'left' })
  const second = await clients.access.whoCan({ ...question, pageToken: nextPageToken })
  t.equal(second.subjects.length, 1, 'a change of today does not outdate a page of the past')
  const other = { ...question, asOf: timestampFromMs(moment - 1), pageToken: nextPageToken }
  await t.rejects(clients.access.whoCan(other), fault('PAGE_TOKEN_INVALID'))
  const { asOf: _, ...today } = question
  await t.rejects(clients.access.whoCan({ ...today, pageToken: nextPageToken }), fault('PAGE_TOKEN_INVALID'))
  t.equal((await entries(clinic)).filter(({ type }) => type === 'chartwarden.trail.viewed.v1').length, 1)
})
