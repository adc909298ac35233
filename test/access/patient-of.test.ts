/** Whom an entry concerns where the record is a patient: the same for a check, for what is reported afterwards and for whoever asks about it. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { patientIdOf } from '../../services/access/patient-of.ts'
import { accessOverGrpc } from '../support/access-over-grpc.ts'
import { hire, registerTestClinic, staff } from '../support/clinic.ts'

t.test('a resource of type patient is the patient of its id', async (t) => {
  t.equal(patientIdOf({ type: 'patient', id: 'p-1', patientId: '' }), 'p-1')
  t.equal(patientIdOf({ type: 'patient', id: 'p-1', patientId: 'p-1' }), 'p-1')
  t.equal(patientIdOf({ type: 'imaging', id: 'i-1', patientId: 'p-1' }), 'p-1')
  t.equal(patientIdOf({ type: 'imaging', id: 'i-1', patientId: '' }), '')
  t.equal(patientIdOf({ type: '', id: '', patientId: '' }), '')
})

t.test('every entry about a patient names that patient, though only the resource says who it is', async (t) => {
  const clinic = 'north'
  const { clients, entries } = await accessOverGrpc(t)
  const own = clients(clinic)
  await registerTestClinic(own, clinic)
  await hire(own, clinic, 'anna')
  const asked = { action: { name: 'read' }, resource: { type: 'patient', id: 'p-1' }, purpose: 'TREAT' }
  const check = { ...asked, subject: staff('anna') }
  await own.access.check({ requestId: randomUUID(), clinic, ...check })
  const patient = (await entries(clinic)).at(-1)?.data.patient
  t.match(patient, /^[\w-]{43}$/)
  const description = { resource: { type: 'imaging', id: 'i-1', patientId: 'p-1' } }
  await own.directory.putResource({ requestId: randomUUID(), clinic, description })
  const described = { ...asked, resource: { type: 'imaging', id: 'i-1' } }
  const ofDescribed = { ...described, subject: staff('anna') }
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    explain: () => own.access.explain({ clinic, check }),
    who_can: () => own.access.whoCan({ clinic, ...asked }),
    what_can: () => own.access.whatCan({ clinic, ...check }),
    simulate: () => own.policy.simulate({ clinic, proposed: { retireRoles: ['dentist'] }, questions: { case: 'check', value: check } }),
    record_access: () => own.audit.recordAccess({ requestId: randomUUID(), clinic, ...check }),
    get_resource: () => own.directory.getResource({ clinic, resourceType: 'patient', resourceId: 'p-1' }).catch(() => undefined),
  }
  const knownToDirectory: typeof calls = {
    explain: () => own.access.explain({ clinic, check: ofDescribed }),
    who_can: () => own.access.whoCan({ clinic, ...described }),
    what_can: () => own.access.whatCan({ clinic, ...ofDescribed }),
    simulate: () =>
      own.policy.simulate({ clinic, proposed: { retireRoles: ['dentist'] }, questions: { case: 'check', value: ofDescribed } }),
    get_resource: () => own.directory.getResource({ clinic, resourceType: 'imaging', resourceId: 'i-1' }),
  }
  for (const [name, call] of [...Object.entries(calls), ...Object.entries(knownToDirectory)]) {
    await call()
    const { type, data } = (await entries(clinic)).at(-1) ?? {}
    t.equal(data?.patient, patient, name)
    t.equal(type, name === 'record_access' ? 'chartwarden.access.recorded.v1' : 'chartwarden.trail.viewed.v1', name)
  }
})
