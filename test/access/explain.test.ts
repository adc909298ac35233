/** Explain, WhoCan and WhatCan as callers see them: over gRPC, on a real ledger. */
import { randomUUID } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import pg from 'pg'
import t from 'tap'
import { RuleOutcome, WhatCanList, type WhatCanRequestSchema } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { Scope } from '../../services/kernel/scopes.ts'
import { caught } from '../support/caught.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { createLedgerReader } from '../support/ledger-reader.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'

const database = await createTestDatabase(t)
const service = await startTestService(t, { database })

const clinicOf = async (clinic: string, scopes: readonly Scope[] = ownScopes) => {
  const clients = clientsOf(service, await service.token({ clinics: [clinic], scopes }))
  return { clinic, ...clients }
}

const registered = async (clinic: string) => {
  const clients = await clinicOf(clinic)
  await registerTestClinic(clients, clinic)
  return clients
}

const ledger = await createLedgerReader(t, database)

/** Entries of the readings of a clinic. */
const viewings = async (clinic: string) => (await ledger.entries(clinic)).filter(({ type }) => type === 'chartwarden.trail.viewed.v1')

t.test('a refused question is explained rule by rule, and what would be needed is true', async (t) => {
  const north = await registered('explain-north')
  const { clinic, access, relationships } = north
  await hire(north, clinic, 'anna')
  const check = { ...readRecord(clinic, 'anna'), resource: { type: 'imaging', id: 'i', patientId: 'p' } }
  const explained = await access.explain({ clinic, check })
  t.match(explained, {
    decision: Decision.DENY,
    reasonCode: 'not_own_patient',
    rule: 'role/dentist#imaging.read',
    rules: [{ step: 'permission', rule: 'role/dentist#imaging.read', outcome: RuleOutcome.NOT_MET, reasonCode: 'not_own_patient' }],
    needed: ['Put this subject on the care team of the patient.'],
  })
  await relationships.putCareTeam({ requestId: randomUUID(), clinic, patientId: 'p', subject: staff('anna') })
  t.match(await access.explain({ clinic, check }), {
    decision: Decision.PERMIT,
    needed: { length: 0 },
    rules: [{ outcome: RuleOutcome.PERMITS }],
  })
  t.equal((await access.check({ ...check, requestId: randomUUID() })).decision, Decision.PERMIT)
})

t.test('that somebody looked is one entry, which names who was looked at and seals what was asked', async (t) => {
  const north = await registered('explain-entry')
  const { clinic, access, audit } = north
  await hire(north, clinic, 'anna')
  const { entry, completeToRevision } = await access.explain({
    clinic,
    check: { ...readRecord(clinic, 'anna'), reason: 'not used', resource: { type: 'imaging', id: 'secret-record', patientId: 'p' } },
  })
  t.ok(entry !== undefined && completeToRevision < entry.revision)
  const [written, ...rest] = await viewings(clinic)
  t.same(rest, [])
  t.match(written, {
    revision: entry?.revision,
    data: { query: 'explain', streamed: false, subject: { type: 'staff' }, patient: /^[\w-]{43}$/, sealed: { ct: /./ } },
  })
  t.notMatch(JSON.stringify(written?.data), /secret-record/)
  const shown = await audit.getEntry({ clinic, key: { case: 'revision', value: entry?.revision ?? 0n } })
  const opened = Buffer.from(shown.entry?.private ?? []).toString('utf8')
  t.match(opened, /secret-record/, 'whoever may unseal sees what was asked')
  t.notMatch(opened, /not used/)
})

t.test('somebody with a cut-off is told that the sign-in is missing', async (t) => {
  const north = await registered('explain-cut-off')
  const { clinic, access, people } = north
  await hire(north, clinic, 'anna')
  await people.offboard({ requestId: randomUUID(), clinic, subject: staff('anna') })
  await people.reinstate({ requestId: randomUUID(), clinic, subject: staff('anna') })
  await people.grantRole({ requestId: randomUUID(), clinic, subject: staff('anna'), role: 'dentist' })
  const check = readRecord(clinic, 'anna')
  const without = await access.explain({ clinic, check })
  t.match(without, { reasonCode: 'session_required', needed: ['State a sign-in from after the cut-off (session.issued_at).'] })
  const now = BigInt(Math.floor(Date.now() / 1000) + 30)
  const signedIn = { ...check, session: { issuedAt: { seconds: now, nanos: 0 } } }
  t.equal((await access.explain({ clinic, check: signedIn })).decision, Decision.PERMIT)
  t.same((await access.whoCan({ clinic, action: check.action, resource: check.resource, purpose: 'TREAT' })).subjects.length, 1)
  const future = { ...check, session: { issuedAt: { seconds: now + 3_600n, nanos: 0 } } }
  await t.rejects(access.explain({ clinic, check: future }), fault('INVALID_ARGUMENT'))
})

t.test('bad questions are refused with the field named, and make no entry', async (t) => {
  const north = await registered('explain-bad')
  const { clinic, access } = north
  const check = readRecord(clinic, 'anna')
  const bad: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['check', () => access.explain({ clinic })],
    ['check.clinic', () => access.explain({ clinic, check: { ...check, clinic: 'other' } })],
    ['check.purpose', () => access.explain({ clinic, check: { ...check, purpose: '' } })],
    ['check.subject.id', () => access.explain({ clinic, check: { ...check, subject: { type: 'staff', id: '' } } })],
    ['resource.type', () => access.whoCan({ clinic, action: check.action, purpose: 'TREAT' })],
    ['action.name', () => access.whoCan({ clinic, resource: check.resource, purpose: 'TREAT' })],
    ['purpose', () => access.whoCan({ clinic, action: check.action, resource: check.resource, purpose: 'treat' })],
    ['page_size', () => access.whoCan({ clinic, action: check.action, resource: check.resource, purpose: 'TREAT', pageSize: 1_001 })],
    ['subject', () => access.whatCan({ clinic, purpose: 'TREAT' })],
    ['list', () => access.whatCan({ clinic, subject: staff('anna'), purpose: 'TREAT', list: 9 as WhatCanList })],
    [
      'action.name',
      () => access.whatCan({ clinic, subject: staff('anna'), purpose: 'TREAT', list: WhatCanList.RESOURCES, resource: { type: 'x' } }),
    ],
    ['resource.type', () => access.whatCan({ clinic, subject: staff('anna'), purpose: 'TREAT', resource: { id: 'r' } })],
  ]
  for (const [field, call] of bad) {
    const error = await caught(call())
    t.equal(error.reason, 'INVALID_ARGUMENT', field)
    t.ok(
      error.fields.some((one) => one.field === field),
      `${field}: ${JSON.stringify(error.fields)}`,
    )
  }
  const token = { clinic, action: check.action, resource: check.resource, purpose: 'TREAT', pageToken: 'made-up' }
  t.equal((await caught(access.whoCan(token))).reason, 'PAGE_TOKEN_INVALID')
  t.same(await viewings(clinic), [])
})

t.test('the pages of who can are whole, of one state, and of one entry', async (t) => {
  const north = await registered('who-pages')
  const { clinic, access, people } = north
  for (let index = 0; index < 7; index += 1) await hire(north, clinic, `d-${index}`)
  await people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff('guest') })
  const { action, resource } = readRecord(clinic, '')
  const query = { clinic, action, resource, purpose: 'TREAT', pageSize: 3 }
  const pages: Awaited<ReturnType<typeof access.whoCan>>[] = []
  let pageToken = ''
  do {
    const page = await access.whoCan({ ...query, pageToken })
    pages.push(page)
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  t.same(
    pages.map(({ subjects }) => subjects.length),
    [3, 3, 1],
  )
  t.same(pages.flatMap(({ subjects }) => subjects.map(({ subject }) => subject?.id)).sort(), [
    'd-0',
    'd-1',
    'd-2',
    'd-3',
    'd-4',
    'd-5',
    'd-6',
  ])
  t.equal(new Set(pages.map(({ entry }) => entry?.id)).size, 1)
  t.equal(new Set(pages.map(({ completeToRevision }) => completeToRevision)).size, 1)
  const token = pages[0]?.nextPageToken ?? ''
  t.equal((await caught(access.whoCan({ ...query, purpose: 'COC', pageToken: token }))).reason, 'PAGE_TOKEN_INVALID')
  const other = clientsOf(service, await service.token({ clinics: [clinic], subject: 'another-software' }))
  t.equal((await caught(other.access.whoCan({ ...query, pageToken: token }))).reason, 'PAGE_TOKEN_INVALID')
  t.equal((await access.whoCan({ ...query, pageToken: token })).subjects.length, 3, 'decisions do not move the state')
  await hire(north, clinic, 'new')
  t.equal((await caught(access.whoCan({ ...query, pageToken: token }))).reason, 'PAGE_OUTDATED')
})

t.test('who can says until when, and under which duties; those who carry out none are not among the answers', async (t) => {
  const north = await registered('who-duties')
  const { clinic, access, people } = north
  await people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff('anna') })
  const until = { seconds: BigInt(Math.floor(Date.now() / 1000) + 3_600), nanos: 0 }
  await people.grantRole({ requestId: randomUUID(), clinic, subject: staff('anna'), role: 'dentist', until })
  const query = { clinic, action: { name: 'read' }, resource: { type: 'medical_history', id: 'm', patientId: 'p' }, purpose: 'TREAT' }
  t.same((await access.whoCan(query)).subjects, [])
  const [answer] = (await access.whoCan({ ...query, supportedObligations: ['fields'] })).subjects
  t.match(answer, { subject: staff('anna'), rule: 'role/dentist#medical_history.read', obligations: [{ type: 'fields' }], until })
  t.same((await access.whoCan({ ...query, supportedObligations: ['fields'], subjectType: 'lab' })).subjects, [])
})

t.test('what can lists the actions of each type, and of one record', async (t) => {
  const north = await registered('what-actions')
  const { clinic, access, relationships } = north
  await hire(north, clinic, 'anna')
  const query = { clinic, subject: staff('anna'), purpose: 'TREAT' }
  const pairs = async (
    over: Omit<Exclude<MessageInitShape<typeof WhatCanRequestSchema>, { readonly $typeName: string }>, '$typeName'> = {},
  ) => (await access.whatCan({ ...query, ...over })).allowed.map(({ action, resource }) => `${resource?.type} ${action}`)
  t.same(await pairs(), ['treatment_record read'])
  t.same(await pairs({ supportedObligations: ['fields'] }), ['medical_history read', 'treatment_record read'])
  t.same(await pairs({ resource: { type: 'imaging', id: 'i', patientId: 'p' } }), [])
  await relationships.putCareTeam({ requestId: randomUUID(), clinic, patientId: 'p', subject: staff('anna') })
  t.same(await pairs({ resource: { type: 'imaging', id: 'i', patientId: 'p' } }), ['imaging read'])
  t.same(await pairs({ subject: staff('nobody') }), [])
  const first = await access.whatCan({ ...query, supportedObligations: ['fields'], pageSize: 1 })
  t.same(first.allowed.length, 1)
  t.match(await access.whatCan({ ...query, supportedObligations: ['fields'], pageSize: 1, pageToken: first.nextPageToken }), {
    allowed: [{ resource: { type: 'treatment_record' } }],
    nextPageToken: '',
  })
})

t.test('what can lists described records by their own names', async (t) => {
  const north = await registered('what-records')
  const { clinic, access, directory, policy } = north
  await policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: {
      role: 'finals',
      title: 'Finals',
      permissions: [
        { resourceType: 'lab_report', actions: ['read'], effect: Effect.PERMIT, condition: 'resource.properties.status == "final"' },
      ],
    },
  })
  await hire(north, clinic, 'anna', 'finals')
  for (const [id, status] of Object.entries({ 'r-1': 'final', 'r-2': 'draft', 'r-3': 'final', 'r-4': 'final' })) {
    await directory.putResource({
      requestId: randomUUID(),
      clinic,
      description: { resource: { type: 'lab_report', id, patientId: `p-${id}`, properties: { status } } },
    })
  }
  const query = {
    clinic,
    subject: staff('anna'),
    purpose: 'TREAT',
    list: WhatCanList.RESOURCES,
    action: { name: 'read' },
    resource: { type: 'lab_report' },
    pageSize: 2,
  }
  const first = await access.whatCan(query)
  const second = await access.whatCan({ ...query, pageToken: first.nextPageToken })
  t.equal(second.nextPageToken, '')
  t.same([...first.allowed, ...second.allowed].map(({ resource }) => `${resource?.id} of ${resource?.patientId}`).sort(), [
    'r-1 of p-r-1',
    'r-3 of p-r-3',
    'r-4 of p-r-4',
  ])
})

t.test('the largest question is explained, and its entry holds what fits', async (t) => {
  const north = await registered('explain-large')
  const { clinic, access, audit } = north
  const properties = { text: 'x'.repeat(8_000) }
  const check = {
    ...readRecord(clinic, 'anna'),
    subject: { ...staff('anna'), properties },
    action: { name: 'read', properties },
    resource: { type: 'imaging', id: 'i'.repeat(256), patientId: 'p', properties },
    context: properties,
    supportedObligations: Array.from({ length: 64 }, (_, index) => `duty${index}`.padEnd(64, '-')),
  }
  const { entry } = await access.explain({ clinic, check })
  const shown = await audit.getEntry({ clinic, key: { case: 'id', value: entry?.id ?? '' } })
  const opened = Buffer.from(shown.entry?.private ?? []).toString('utf8')
  t.match(opened, /"properties":\{"digest":"[\w-]{43}"\}/)
  t.match(opened, /"id":"i{256}"/)
  t.notMatch(opened, /xxxx/)
})

t.test('who and what was erased stands in its place by pseudonym, and nothing is left out', async (t) => {
  const north = await registered('what-erased')
  const { clinic, directory, policy } = north
  const permissions = [{ resourceType: 'lab_report', actions: ['read'], effect: Effect.PERMIT }]
  await policy.putRole({ requestId: randomUUID(), clinic, role: { role: 'reader', title: 'Reader', permissions } })
  for (const id of ['anna', 'ben']) await hire(north, clinic, id, 'reader')
  for (const id of ['r-1', 'r-2']) {
    const resource = { type: 'lab_report', id, patientId: `p-${id}` }
    await directory.putResource({ requestId: randomUUID(), clinic, description: { resource } })
  }
  const entries = await ledger.entries(clinic)
  const described = entries.find(({ type }) => type === 'chartwarden.resource.described.v1')?.data.patient as string
  const enrolled = entries.findLast(({ type }) => type === 'chartwarden.staff.enrolled.v1')?.data.subject as { readonly pseudonym: string }
  const erased = [described, enrolled.pseudonym]
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  await client.query(
    'update chartwarden_vault.identity_keys set wrapped_key = null, destroyed_at = clock_timestamp() where clinic = $1 and pseudonym = any($2)',
    [clinic, erased],
  )
  await client.end()
  // Another replica, which has not seen the keys.
  const other = await startTestService(t, { database, stateDir: service.stateDir })
  const { access } = clientsOf(other, await other.token({ clinics: [clinic] }))
  const { subjects } = await access.whoCan({
    clinic,
    action: { name: 'read' },
    resource: { type: 'lab_report', id: 'x' },
    purpose: 'TREAT',
  })
  t.same(subjects.map(({ subject }) => subject?.id).sort(), ['anna', `erased:${enrolled.pseudonym}`])
  const { allowed } = await access.whatCan({
    clinic,
    subject: staff('anna'),
    purpose: 'TREAT',
    list: WhatCanList.RESOURCES,
    action: { name: 'read' },
    resource: { type: 'lab_report' },
  })
  t.equal(allowed.length, 2)
  t.match(allowed.map(({ resource }) => `${resource?.id} of ${resource?.patientId}`).sort(), [
    /^erased:[\w-]{43} of erased:[\w-]{43}$/,
    'r-2 of p-r-2',
  ])
})

t.test('patients that the directory describes are records too', async (t) => {
  const north = await registered('what-patients')
  const { clinic, access, directory, policy, relationships } = north
  const own = { resourceType: 'patient', actions: ['read'], effect: Effect.LIMITED, bounds: [{ kind: 'own_patients' }] }
  await policy.putRole({ requestId: randomUUID(), clinic, role: { role: 'carer', title: 'Carer', permissions: [own] } })
  await hire(north, clinic, 'anna', 'carer')
  for (const id of ['p-1', 'p-2']) {
    await directory.putResource({ requestId: randomUUID(), clinic, description: { resource: { type: 'patient', id } } })
  }
  await relationships.putCareTeam({ requestId: randomUUID(), clinic, patientId: 'p-2', subject: staff('anna') })
  const { allowed } = await access.whatCan({
    clinic,
    subject: staff('anna'),
    purpose: 'TREAT',
    list: WhatCanList.RESOURCES,
    action: { name: 'read' },
    resource: { type: 'patient' },
  })
  t.same(
    allowed.map(({ resource }) => resource?.id),
    ['p-2'],
  )
})
