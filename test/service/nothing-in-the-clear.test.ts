/**
 * No identifier of a person, patient or record and no free text stands in the clear in any table, log line, span or metric: what is not sealed
 * could not be erased. The names used here are searched for in everything the database holds and the service has logged, sent to a
 * collector and shown to Prometheus.
 */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { AccessService, WhatCanList } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentDecision } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { ReviewOutcome } from '../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { systemClock } from '../../services/kernel/clock.ts'
import { createLogger } from '../../services/kernel/logging.ts'
import { startTelemetry } from '../../services/kernel/telemetry/telemetry.ts'
import { clientsOf, hire, registerTestClinic, staff } from '../support/clinic.ts'
import { searchFor } from '../support/disclosures.ts'
import { fault } from '../support/fault.ts'
import { startOtlpReceiver } from '../support/otlp-receiver.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { aConcern, aDisclosure, anAnswer } from '../support/recordings.ts'
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
  recipient: 'Bureau of Lighthouses',
  address: '7 Periwinkle Lane',
  disclosed: 'sketches of the windmill',
  what_for: 'letter of the harbourmaster',
  recorder: 'wilhelmina-thistlewood',
  disputed: 'never met the beekeeper',
  answered: 'mistaken for the gardener',
  forged: 'forged-token-of-the-gatekeeper',
} as const

/** A clinic that no token reaches: the ledger of the operator names it on purpose. */
const foreign = 'southwark-paragon'

t.test('identifiers and reasons stand nowhere in the clear', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'clear')
  const receiver = await startOtlpReceiver(t)
  const environment = {
    ...testEnvironment(database, stateDir),
    CHARTWARDEN_LOG_LEVEL: 'trace',
    CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_METRIC_EXPORT_INTERVAL: '500',
    OTEL_METRIC_EXPORT_TIMEOUT: '500',
  }
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
  await clients.audit.recordDisclosure({
    ...aDisclosure('north', { recordedBy: staff(names.recorder), patientId: names.patient, recipientName: names.recipient }),
    recipientAddress: names.address,
    description: names.disclosed,
    purpose: names.what_for,
    source: names.note,
  })
  const concern = { recordedBy: staff(names.recorder), patientId: names.patient }
  const { entry: disputed } = await clients.audit.recordConcern(aConcern('north', { ...concern, text: names.disputed }))
  await clients.audit.recordConcern(anAnswer('north', disputed?.id ?? '', { ...concern, text: names.answered }))
  const wait = { clinic: 'north', waitForRevision: disputed?.revision ?? 0n }
  const { rows: shown } = await clients.reports.disclosures({ ...wait, query: { patientId: names.patient, groupRepeats: true } })
  t.match(shown, [{ recipientName: names.recipient, description: names.disclosed }])
  t.match((await clients.reports.concerns({ ...wait, query: { patientId: names.patient } })).rows, [{ text: names.disputed }])
  await clients.reports.emergencyReviews({ ...wait, query: { patientId: names.patient, subject: staff(names.person) } })
  // What is refused is not told anywhere either.
  for (const refused of [
    () => clients.audit.recordDisclosure(aDisclosure('north', { patientId: names.patient, recipientName: names.recipient, category: 0 })),
    () => clients.audit.recordConcern(aConcern('north', { patientId: names.patient, text: names.disputed, aboutEntryId: randomUUID() })),
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
  // What software sends beside its requests is told nowhere either.
  const forged = await callers
    .client(AccessService, names.forged, service.address)
    .check(question)
    .catch((error: unknown) => error)
  t.match(forged, { reason: 'TOKEN_REFUSED' })
  await t.rejects(clients.access.check({ ...question, requestId: randomUUID(), clinic: foreign }), fault('CLINIC_NOT_ALLOWED'))
  const strange = await fetch(`${service.httpAddress}/patients/${names.patient}?reason=${encodeURIComponent(names.reason)}`, {
    headers: {
      authorization: `Bearer ${names.forged}`,
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      tracestate: `practice=${names.patient}`,
      baggage: `patient=${names.patient}`,
      'user-agent': names.person,
    },
  })
  t.equal(strange.status, 404)
  const metrics = await (await fetch(`${service.metricsAddress}/metrics`)).text()
  t.equal(await service.stop(), 0)

  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  t.teardown(() => client.end())
  const { rows: tables } = await client.query<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname like 'chartwarden%'",
  )
  t.ok(tables.length > 10)
  const search = searchFor(names)
  for (const { name } of tables) {
    const { rows } = await client.query<Record<string, unknown>>(`select * from ${name}`)
    for (const row of rows) {
      for (const value of Object.values(row))
        search.in(name, Buffer.isBuffer(value) ? value.toString('latin1') : (JSON.stringify(value) ?? ''))
    }
  }
  const log = JSON.stringify(service.lines)
  search.in('the log', log)
  t.ok(search.characters > 20_000, `${search.characters} characters searched`)
  t.same(search.found, [])
  t.notOk(log.includes(token), 'nor is a token in the log')

  const spans = new Set(receiver.spans().map(({ name }) => name))
  for (const name of ['chartwarden.access.v1.AccessService/Check', 'decide', 'append', 'ledger.commit', 'projection.apply', 'GET none']) {
    t.ok(spans.has(name), `a span is named ${name}`)
  }
  t.match(metrics, /^chartwarden_decisions_total\{decision="deny",reason_code="protected_person",intent="access"\} [1-9]/m)
  t.match(metrics, /^chartwarden_call_refusals_total\{reason="TOKEN_REFUSED"\} 1$/m)
  t.match(metrics, /^chartwarden_projection_lag_entries\{projection="access_history"\} \d/m)
  // The log names clinics and callers on purpose; spans and metrics do not.
  const telemetry = searchFor({ ...names, clinic: 'north', foreign, caller: 'practice-software', token })
  telemetry.in('the metrics', metrics)
  for (const { path, text } of receiver.bodies) telemetry.in(path, text)
  t.ok(telemetry.characters > 100_000, `${telemetry.characters} characters of telemetry searched`)
  t.same(telemetry.found, [])
})

t.test('twin: a name in an attribute of a span, in any form, is found', async (t) => {
  const receiver = await startOtlpReceiver(t)
  Object.assign(process.env, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })
  const { tracer, stop } = await startTelemetry({
    table: {},
    otlp: { traces: true, metrics: false },
    scraped: false,
    version: '0',
    logger: createLogger({ level: 'silent' }),
    clock: systemClock,
  })
  const told = [names.patient, Buffer.from(`id:${names.record}!`).toString('base64'), encodeURIComponent(names.reason)]
  for (const text of told) tracer?.start('decide', { attributes: { 'chartwarden.reason_code': text } }).end()
  await stop()
  const search = searchFor(names)
  for (const { path, text } of receiver.bodies) search.in(path, text)
  t.same(search.found, ['patient in /v1/traces', 'record in /v1/traces', 'reason in /v1/traces'])
})
