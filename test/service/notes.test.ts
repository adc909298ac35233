/** What is most likely misspelt is taken as it is, and said. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { WhatCanList } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentDecision } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { clientsOf, hire, registerTestClinic, staff } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'

const clinic = 'north'
const service = await startTestService(t, { database: await createTestDatabase(t) })
const clients = clientsOf(service, await service.token({ clinics: [clinic] }))

t.before(async () => {
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')
})

const imaging = 'No role in force names the resource type "imagng"; did you mean "imaging"?'

t.test('a role is put, and its new names are told, also to a repeat', async (t) => {
  const request = (type: string, kind: string) => ({
    requestId: randomUUID(),
    clinic,
    role: {
      role: 'nurse',
      title: 'Nurse',
      permissions: [{ resourceType: type, actions: ['read'], effect: Effect.LIMITED, bounds: [{ kind }] }],
    },
  })
  t.same((await clients.policy.putRole(request('imaging', 'own_patients'))).notes, [])
  const wrong = request('imagng', 'own_patient')
  const notes = [
    'No other role in force names the resource type "imagng"; did you mean "imaging"?',
    'The bound "own_patient" is a duty of the calling software and is not checked here; did you mean "own_patients"?',
  ]
  t.match(await clients.policy.putRole(wrong), { replayed: false, notes })
  t.match(await clients.policy.putRole(wrong), { replayed: true, notes })
  await clients.policy.retireRole({ requestId: randomUUID(), clinic, role: 'nurse' })
})

t.test('settings are put, and the names that nobody wrote are no misspellings', async (t) => {
  const put = async (settings: object) => (await clients.policy.putSettings({ requestId: randomUUID(), clinic, settings })).notes
  t.same(await put({}), [])
  t.same(await put({ openResourceTypes: ['appointment', 'imagng'], consentToShare: ['treatment_recrod', 'imaging'] }), [
    `open_resource_types: ${imaging}`,
    'consent_to_share: No role in force names the resource type "treatment_recrod"; did you mean "treatment_record"?',
  ])
  t.same(await put({ consentToShare: ['*'] }), [])
  t.same(await put({ emergency: { resourceTypes: ['imaging', 'imagng'], readActions: ['read', 'raed'], writeActions: ['update'] } }), [
    `emergency.resource_types: ${imaging}`,
    'emergency.read_actions: No role in force names the action "raed"; did you mean "read"?',
  ])
  await put({})
})

t.test('a record is labelled and a consent recorded, and what they name in vain is told', async (t) => {
  const label = async (type: string, sensitivities: string[]) =>
    (
      await clients.directory.putResource({
        requestId: randomUUID(),
        clinic,
        description: { resource: { type, id: 'i-1', patientId: 'p-1' }, sensitivities },
      })
    ).notes
  t.same(await label('imaging', ['HIV']), [])
  t.same(await label('imagng', ['hiv']), [
    imaging,
    'No vocabulary holds the sensitivity "hiv", so only a clearance for every sensitivity covers it; did you mean "HIV"?',
  ])
  const consent = async (resourceTypes: string[]) =>
    (
      await clients.consents.recordConsent({
        requestId: randomUUID(),
        clinic,
        consent: { patientId: 'p-1', resourceTypes, decision: ConsentDecision.DENY },
      })
    ).notes
  t.same(await consent(['imaging']), [])
  t.same(await consent(['imagng']), [imaging])
})

t.test('who can and what can say why they find nothing', async (t) => {
  const resource = { type: 'imagng', id: 'i-1', patientId: 'p-2' }
  const asked = { clinic, action: { name: 'raed' }, resource, purpose: 'TREAT' }
  t.match(await clients.access.whoCan(asked), {
    subjects: { length: 0 },
    notes: [imaging, 'No role in force names the action "raed"; did you mean "read"?'],
  })
  t.match(await clients.access.whatCan({ clinic, subject: staff('ana'), purpose: 'TREAT' }), {
    allowed: { length: 0 },
    notes: [/^Nobody of this identifier is known/],
  })
  const records = { clinic, subject: staff('anna'), purpose: 'TREAT', list: WhatCanList.RESOURCES, action: { name: 'read' } }
  t.match(await clients.access.whatCan({ ...records, resource: { type: 'treatment_record' } }), {
    notes: ['The directory describes no record of the type "treatment_record".'],
  })
  t.same((await clients.access.whatCan({ ...records, resource: { type: 'imaging' } })).notes, [])
})
