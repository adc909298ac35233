/** A record whose patient the directory knows is that patient's, whoever leaves the patient out or names another. */
import { randomUUID } from 'node:crypto'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import t, { type Test } from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentDecision } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import type { AccessDecided } from '../../services/access/events.ts'
import { accessOverGrpc } from '../support/access-over-grpc.ts'
import { caught } from '../support/caught.ts'
import { hire, registerTestClinic, staff } from '../support/clinic.ts'
import { ownScopes } from '../support/service.ts'

const clinic = 'north'
const common = () => ({ requestId: randomUUID(), clinic })
const permit = (resourceType: string, ...actions: string[]) => ({ resourceType, actions, effect: Effect.PERMIT })

/** Records of an employee, a VIP, a patient who refuses, one on Anna's care team and one of an emergency. */
const aClinic = async (t: Test) => {
  const house = await accessOverGrpc(t)
  const own = house.clients(clinic)
  await registerTestClinic(own, clinic)
  await own.policy.putRole({
    ...common(),
    role: {
      role: 'doctor',
      title: 'doctor',
      permissions: [
        permit('treatment_record', 'read', 'share'),
        permit('emergency_access', 'open'),
        { resourceType: 'imaging', actions: ['read'], effect: Effect.LIMITED, bounds: [{ kind: 'own_patients' }] },
      ],
    },
  })
  await hire(own, clinic, 'anna', 'doctor')
  await own.people.enrolStaff({ ...common(), subject: staff('emma'), ownPatientId: 'p-emma' })
  await own.people.grantRole({ ...common(), subject: staff('emma'), role: 'doctor' })
  const describe_ = (type: string, id: string, patientId: string, labels = {}) =>
    own.directory.putResource({ ...common(), description: { resource: { type, id, patientId }, ...labels } })
  await describe_('patient', 'p-star', '', { sensitivities: ['VIP'] })
  for (const patient of ['emma', 'star', 'refusing', 'open']) await describe_('treatment_record', `r-${patient}`, `p-${patient}`)
  for (const patient of ['team', 'urgent']) await describe_('imaging', `i-${patient}`, `p-${patient}`)
  await own.consents.recordConsent({ ...common(), consent: { patientId: 'p-refusing', decision: ConsentDecision.DENY } })
  await own.relationships.putCareTeam({ ...common(), patientId: 'p-team', subject: staff('anna') })
  await own.emergencies.open({ ...common(), subject: staff('anna'), patientId: 'p-urgent', reason: 'Unconscious in the waiting room' })
  return { ...house, own }
}

const question = (id: string, over: { who?: string; patientId?: string; purpose?: string } = {}) => ({
  ...common(),
  subject: staff(over.who ?? 'anna'),
  action: { name: 'read' },
  resource: { type: id.startsWith('i-') ? 'imaging' : 'treatment_record', id, patientId: over.patientId ?? '' },
  purpose: over.purpose ?? 'TREAT',
})

t.test('leaving the patient out opens nothing and closes nothing, for software that may override properties too', async (t) => {
  const { own, clients, entries, vault } = await aClinic(t)
  const plain = clients(
    clinic,
    ownScopes.filter((scope) => scope !== 'directory.override'),
  )
  const pseudonyms = await vault.clinic(clinic)
  if (pseudonyms === undefined) throw new Error('the clinic has no keys')
  const answers = [
    [{ id: 'r-emma' }, 'protected_person'],
    [{ id: 'r-emma', who: 'emma' }, 'own_record'],
    [{ id: 'r-star' }, 'protected_person'],
    [{ id: 'r-refusing' }, 'consent_denied'],
    [{ id: 'r-open' }, 'role_permits'],
    [{ id: 'i-team' }, 'role_permits'],
    [{ id: 'i-urgent' }, 'not_own_patient'],
    [{ id: 'i-urgent', purpose: 'BTG' }, 'emergency_access'],
  ] as const
  for (const { access } of [own, plain]) {
    for (const [{ id, ...over }, reason] of answers) {
      const { reasonCode, entry } = await access.check(question(id, over))
      t.equal(reasonCode, reason, id)
      const { reasonCode: named } = await access.check(question(id, { ...over, patientId: id.replace(/^[ri]/, 'p') }))
      t.equal(named, reason, `${id}, its patient named`)
      const { reasonCode: other } = await access.check(question(id, { ...over, patientId: 'p-team' }))
      if (id !== 'i-team') t.equal(other, 'patient_mismatch', `${id}, another patient named`)
      const data = (await entries(clinic)).find(({ revision }) => revision === entry?.revision)?.data as unknown as AccessDecided
      const patient = pseudonyms.pseudonym({ kind: 'patient', type: '', id: id.replace(/^[ri]/, 'p') })
      t.equal(data.patient, patient, `the entry about ${id} stands in its patient's history`)
      t.equal(data.sealed?.kid, patient, 'and is sealed under the key of that patient')
    }
  }
})

t.test('a repeated question of a record that has become another patient is a stale one', async (t) => {
  const { own } = await aClinic(t)
  const asked = question('r-open')
  t.match(await own.access.check(asked), { reasonCode: 'role_permits', replayed: false })
  t.match(await own.access.check(asked), { reasonCode: 'role_permits', replayed: true })
  await own.directory.putResource({
    ...common(),
    description: { resource: { type: 'treatment_record', id: 'r-open', patientId: 'p-team' } },
  })
  t.match(await own.access.check(asked), { reasonCode: 'stale_request' })
})

t.test('who can, what can and explain know the patient too', async (t) => {
  const { own } = await aClinic(t)
  const asked = { clinic, action: { name: 'read' }, purpose: 'TREAT', pageSize: 10 }
  const whoCan = async (type: string, id: string) =>
    (await own.access.whoCan({ ...asked, resource: { type, id } })).subjects.map(({ subject }) => subject?.id)
  t.same(await whoCan('imaging', 'i-team'), ['anna'], 'by the care team')
  t.same((await whoCan('treatment_record', 'r-open')).sort(), ['anna', 'emma'])
  t.same(await whoCan('treatment_record', 'r-refusing'), [])
  const explained = await own.access.explain({ clinic, check: question('r-refusing') })
  t.equal(explained.reasonCode, 'consent_denied')
  t.match(explained.needed.join('\n'), /withdraw/i, 'the way is one about the patient')
})

t.test('records of another patient are shared by nobody, software alone included', async (t) => {
  const { own, clients } = await aClinic(t)
  const share = (over: object) => ({
    ...common(),
    recipient: { type: 'lab', id: 'crowns' },
    patientId: 'p-open',
    resourceTypes: ['treatment_record'],
    actions: ['read'],
    purpose: 'COC',
    until: timestampFromMs(Date.now() + 365 * 86_400_000),
    ...over,
  })
  const refused = await caught(own.relationships.shareRecord(share({ resourceIds: ['r-open', 'r-star'] })))
  t.match(refused, { reason: 'INVALID_ARGUMENT', fields: [{ field: 'resource_ids' }] })
  t.notMatch(JSON.stringify(refused.fields), /r-star/, 'no identifier is said')
  t.ok((await own.relationships.shareRecord(share({ resourceIds: ['r-open', 'never-described'] }))).shareId)
  const acting = clients(clinic, [...ownScopes, 'act'])
  const denied = await caught(acting.relationships.shareRecord(share({ resourceIds: ['r-star'], onBehalfOf: staff('anna') })))
  t.equal(denied.reason, 'NOT_PERMITTED')
})
