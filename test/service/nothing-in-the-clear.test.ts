/**
 * No identifier of a person, patient or record and no free text stands in the clear in any table or log line: what is not sealed could not be
 * erased. The names used here are searched for in everything the database holds and the service has logged.
 */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { WhatCanList } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentDecision } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { ReviewOutcome } from '../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { clientsOf, hire, registerTestClinic, staff } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { waitFor } from '../support/wait-for.ts'

const names = {
  person: 'zebulon-quartermain',
  patient: 'patient-wanderlust',
  record: 'record-xylophone',
  reason: 'because of the umbrella',
  session: 'session-kaleidoscope',
  context: 'context-marmalade',
  lab: 'laboratory-nightingale',
  reviewer: 'ophelia-brandywine',
  attribute: 'attribute-quicksilver',
  stated: 'stated-tangerine',
  emergency: 'collapsed under the chandelier',
  note: 'spoke to the nightwatchman',
  consent: 'asked for by the godmother',
  described: 'record-harpsichord',
  asked: 'record-dandelion',
} as const

t.test('identifiers and reasons stand nowhere in the clear', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'clear')
  const environment = { ...testEnvironment(database, stateDir), CHARTWARDEN_LOG_LEVEL: 'trace' }
  const service = await startServiceProcess(t, environment)
  const callers = testCallers(t, stateDir, environment)
  const token = await callers.token({ clinics: ['north'] })
  const clients = clientsOf({ client: (definition, given) => callers.client(definition, given, service.address) }, token)
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', names.person)
  await clients.policy.putRole({
    requestId: randomUUID(),
    clinic: 'north',
    role: {
      role: 'viewer',
      title: 'Viewer',
      permissions: [
        { resourceType: 'imaging', actions: ['read'], effect: Effect.PERMIT, condition: 'resource.properties.status == "released"' },
        { resourceType: 'emergency_access', actions: ['open', 'review'], effect: Effect.PERMIT },
      ],
    },
  })
  await clients.directory.putSubject({ requestId: randomUUID(), clinic: 'north', subject: staff(names.person) })
  for (const resource of [
    { type: 'treatment_record', id: names.record, patientId: names.patient },
    { type: 'imaging', id: names.described, patientId: names.patient },
    { type: 'price_list', id: names.described },
    { type: 'patient', id: names.patient },
  ]) {
    await clients.directory.putResource({ requestId: randomUUID(), clinic: 'north', description: { resource, confidentiality: 'L' } })
  }
  const { consentId } = await clients.consents.recordConsent({
    requestId: randomUUID(),
    clinic: 'north',
    consent: { patientId: names.patient, recipient: { type: 'lab', id: names.lab }, decision: ConsentDecision.PERMIT },
    reason: names.consent,
  })
  await clients.directory.getResource({ clinic: 'north', resourceType: 'imaging', resourceId: names.described })
  await clients.consents.listConsents({ clinic: 'north', patientId: names.patient })
  await clients.consents.withdrawConsent({ requestId: randomUUID(), clinic: 'north', consentId, reason: names.consent })
  await clients.directory.removeResource({
    requestId: randomUUID(),
    clinic: 'north',
    resourceType: 'treatment_record',
    resourceId: names.record,
    reason: names.reason,
  })
  await clients.people.enrolStaff({
    requestId: randomUUID(),
    clinic: 'north',
    subject: { type: 'lab', id: names.lab },
    ownPatientId: names.patient,
  })
  await clients.relationships.shareRecord({
    requestId: randomUUID(),
    clinic: 'north',
    recipient: { type: 'lab', id: names.lab },
    patientId: names.patient,
    resourceTypes: ['treatment_record'],
    resourceIds: [names.record],
    actions: ['read'],
    purpose: 'TREAT',
    until: { seconds: BigInt(Math.floor(Date.now() / 1000) + 3_600), nanos: 0 },
  })
  const question = {
    requestId: randomUUID(),
    clinic: 'north',
    subject: staff(names.person),
    action: { name: 'read' },
    resource: {
      type: 'treatment_record',
      id: names.record,
      patientId: names.patient,
      properties: { status: names.attribute, note: names.context },
    },
    purpose: 'TREAT',
    reason: names.reason,
    context: { note: names.context },
    session: { id: names.session, method: 'badge' },
  }
  await clients.access.check(question)
  await clients.access.check({ ...question, purpose: 'COC' }).catch(() => undefined)
  await clients.people.grantRole({ requestId: randomUUID(), clinic: 'north', subject: staff(names.person), role: 'viewer' })
  const { emergencyId } = await clients.emergencies.open({
    requestId: randomUUID(),
    clinic: 'north',
    subject: { ...staff(names.person), session: { id: names.session } },
    patientId: names.patient,
    reason: names.emergency,
  })
  await clients.access.check({ ...question, requestId: randomUUID() })
  await clients.emergencies.close({ requestId: randomUUID(), clinic: 'north', emergencyId })
  t.match(await clients.emergencies.listUnreviewed({ clinic: 'north' }), { emergencies: [{ reason: names.emergency }] })
  await hire(clients, 'north', names.reviewer, 'viewer')
  const acting = clientsOf(
    { client: (definition, given) => callers.client(definition, given, service.address) },
    await callers.token({ clinics: ['north'], scopes: ['emergency.review', 'act'] }),
  )
  await acting.emergencies.review({
    requestId: randomUUID(),
    clinic: 'north',
    onBehalfOf: { ...staff(names.reviewer), session: { id: names.session } },
    emergencyId,
    outcome: ReviewOutcome.JUSTIFIED,
    note: names.note,
  })
  const unkept = {
    subject: { ...staff(names.person), properties: { level: names.stated } },
    action: { name: 'read', properties: { screen: names.stated } },
    resource: { type: 'imaging', id: names.asked, patientId: names.patient, properties: { status: names.attribute, note: names.stated } },
    purpose: 'TREAT',
    context: { note: names.context },
  }
  const { subject: asked, ...record } = unkept
  await clients.access.explain({
    clinic: 'north',
    check: { ...unkept, reason: names.reason, session: { id: names.session, method: 'badge' } },
  })
  await clients.access.whoCan({ clinic: 'north', ...record })
  await clients.access.whatCan({ clinic: 'north', subject: asked, resource: record.resource, purpose: 'TREAT', context: record.context })
  await clients.access.whatCan({
    clinic: 'north',
    subject: asked,
    list: WhatCanList.RESOURCES,
    resource: { type: 'imaging' },
    action: record.action,
    purpose: 'TREAT',
  })
  for (const questions of [
    { case: 'check', value: { ...unkept, reason: names.reason } },
    { case: 'lastDecisions', value: 10 },
  ] as const) {
    await clients.policy.simulate({ clinic: 'north', proposed: { retireRoles: ['dentist'] }, questions })
  }
  await clients.audit.recordAccess({
    requestId: randomUUID(),
    clinic: 'north',
    ...record,
    subject: asked,
    reason: names.reason,
    source: names.note,
  })
  // What is refused is not told anywhere either.
  for (const refused of [
    () => clients.access.explain({ clinic: 'north', check: { ...unkept, purpose: names.stated } }),
    () =>
      clients.directory.putSubject({
        requestId: randomUUID(),
        clinic: 'north',
        subject: { ...asked, properties: { note: names.consent } },
      }),
    () => clients.directory.getResource({ clinic: 'north', resourceType: 'imaging', resourceId: names.asked }),
    () =>
      clients.emergencies.open({
        requestId: randomUUID(),
        clinic: 'north',
        subject: staff(names.lab),
        patientId: names.patient,
        reason: '',
      }),
  ]) {
    await t.rejects(Promise.resolve(refused()))
  }
  const left = await clients.people.offboard({
    requestId: randomUUID(),
    clinic: 'north',
    subject: staff(names.person),
    reason: names.reason,
  })
  const revision = left.entry?.revision ?? 0n
  const history = await clients.reports.accessHistory({ clinic: 'north', filter: { patientId: names.patient }, waitForRevision: revision })
  t.match(
    history.rows[0],
    { resourceId: names.asked, patientId: names.patient, reason: names.reason },
    'with the keys everything can be read',
  )
  await waitFor(
    'the reading to be recorded',
    async () => (await clients.reports.offboardings({ clinic: 'north' })).offboardings.length === 1,
  )
  t.equal(await service.stop(), 0)

  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  t.teardown(() => client.end())
  const { rows: tables } = await client.query<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname like 'chartwarden%'",
  )
  t.ok(tables.length > 10)
  let characters = 0
  const found: string[] = []
  const search = (place: string, text: string): void => {
    characters += text.length
    for (const [what, name] of Object.entries(names)) {
      if (text.includes(name) || text.includes(Buffer.from(name).toString('base64').slice(0, -3))) found.push(`${what} in ${place}`)
    }
  }
  for (const { name } of tables) {
    const { rows } = await client.query<Record<string, unknown>>(`select * from ${name}`)
    for (const row of rows) {
      for (const value of Object.values(row))
        search(name, Buffer.isBuffer(value) ? value.toString('latin1') : (JSON.stringify(value) ?? ''))
    }
  }
  for (const line of service.lines) search('the log', JSON.stringify(line))
  t.ok(characters > 20_000, `${characters} characters searched`)
  t.same(found, [])
  t.notOk(JSON.stringify(service.lines).includes(token), 'nor is a token in the log')
})
