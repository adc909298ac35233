/** What is recorded of disclosures, concerns and emergencies, all the way from the call into Postgres and back in the reports. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ReviewOutcome } from '../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { ReviewState } from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { ConcernOutcome, DisclosureCategory } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { aConcern, aDisclosure, anAnswer, at } from '../support/recordings.ts'
import { ownScopes, startTestService } from '../support/service.ts'

const clinic = 'north'
const day = 86_400_000

t.test('a patient asks what left the clinic, disputes an access, and the clinic answers', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const clients = clientsOf(service, await service.token({ clinics: [clinic, 'south'] }))
  const { audit, access, reports, emergencies, people, policy } = clients
  for (const name of [clinic, 'south']) await registerTestClinic(clients, name)
  await hire(clients, clinic, 'anna')
  await hire(clients, clinic, 'ben')

  for (const ago of [40, 30, 20]) await audit.recordDisclosure(aDisclosure(clinic, { disclosedAt: at(Date.now() - ago * day) }))
  await audit.recordDisclosure(aDisclosure(clinic, { category: DisclosureCategory.AUTHORIZED, recipientName: 'An insurer' }))
  await audit.recordDisclosure(aDisclosure(clinic, { recipientName: 'Police', suspendedUntil: at(Date.now() + day) }))
  await audit.recordDisclosure(aDisclosure('south', { recipientName: 'Elsewhere' }))
  const looked = await access.check(readRecord(clinic, 'anna'))
  const dispute = await audit.recordConcern(aConcern(clinic, { aboutEntryId: looked.entry?.id ?? '' }))
  const concernId = dispute.entry?.id ?? ''
  const answer = await audit.recordConcern(anAnswer(clinic, concernId, { outcome: ConcernOutcome.DENIED }))
  const waitForRevision = answer.entry?.revision ?? 0n

  const accounting = await reports.disclosures({ clinic, query: { patientId: 'patient-1', groupRepeats: true }, waitForRevision })
  t.ok(accounting.completeToRevision >= waitForRevision)
  t.match(accounting.rows, [
    { recipientName: 'Public Health Office', disclosures: 3n, recordedBy: staff('ben'), category: DisclosureCategory.ACCOUNTABLE },
  ])
  t.equal(accounting.rows.length, 1, 'neither what may be left out, nor what is suspended, nor what is of another clinic')
  const whole = await reports.disclosures({ clinic, query: { includeExcluded: true, includeSuspended: true } })
  t.equal(whole.rows.length, 5)

  t.match((await reports.concerns({ clinic, query: { patientId: 'patient-1' } })).rows, [
    {
      entry: { id: concernId },
      aboutEntryId: looked.entry?.id,
      open: false,
      answers: [{ outcome: ConcernOutcome.DENIED, entry: { id: answer.entry?.id } }],
    },
  ])
  const history = await reports.accessHistory({ clinic, filter: { patientId: 'patient-1' } })
  t.match(history.rows, [{ entry: { id: looked.entry?.id }, flags: ['disputed'] }])
  t.match((await reports.concerns({ clinic: 'south' })).rows, { length: 0 })
  await t.rejects(
    Promise.resolve(audit.recordConcern(aConcern('south', { aboutEntryId: looked.entry?.id ?? '' }))),
    fault('ABOUT_ENTRY_UNKNOWN'),
    'an entry is of its clinic',
  )

  await policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: {
      role: 'rescuer',
      title: 'Rescuer',
      permissions: [{ resourceType: 'emergency_access', actions: ['open', 'review'], effect: Effect.PERMIT }],
    },
  })
  for (const id of ['anna', 'ben']) await people.grantRole({ requestId: randomUUID(), clinic, subject: staff(id), role: 'rescuer' })
  const opened = await emergencies.open({
    requestId: randomUUID(),
    clinic,
    subject: staff('anna'),
    patientId: 'patient-2',
    reason: 'unconscious on arrival',
  })
  const question = { ...readRecord(clinic, 'anna', { patient: 'patient-2' }), purpose: 'BTG' }
  for (const type of ['medical_history', 'lab_report']) {
    await access.check({ ...question, requestId: randomUUID(), resource: { ...question.resource, type } })
  }
  const closed = await emergencies.close({ requestId: randomUUID(), clinic, emergencyId: opened.emergencyId })
  const state = async (revision: bigint) => (await reports.emergencyReviews({ clinic, waitForRevision: revision })).rows
  t.match(await state(closed.entry?.revision ?? 0n), [
    {
      entry: { id: opened.emergencyId },
      state: ReviewState.PENDING,
      accesses: 2n,
      closedByCause: 'closed',
      reason: 'unconscious on arrival',
    },
  ])
  const acting = clientsOf(service, await service.token({ clinics: [clinic], scopes: ['emergency.review', 'act'] }))
  const reviewed = await acting.emergencies.review({
    requestId: randomUUID(),
    clinic,
    onBehalfOf: staff('ben'),
    emergencyId: opened.emergencyId,
    outcome: ReviewOutcome.JUSTIFIED,
    note: 'the ambulance record agrees',
  })
  t.match(await state(reviewed.entry?.revision ?? 0n), [
    { state: ReviewState.REVIEWED, reviewer: staff('ben'), outcome: 'justified', note: 'the ambulance record agrees' },
  ])

  const lacking = clientsOf(
    service,
    await service.token({ clinics: [clinic], scopes: ownScopes.filter((scope) => scope !== 'audit.unseal') }),
  )
  t.match((await lacking.reports.disclosures({ clinic })).rows, [{ recipientName: '', description: '', purpose: '' }, {}, {}])
  t.match((await lacking.reports.concerns({ clinic })).rows, [{ text: '', answers: [{ text: '' }] }])
  t.match((await lacking.reports.emergencyReviews({ clinic })).rows, [{ reason: '', note: '' }])
})
