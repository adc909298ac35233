import t from 'tap'
import type { PutResource } from '../../../services/access/administer/commands.ts'
import { type AdministrativeCommand, administer, stillHolds } from '../../../services/access/administer.ts'
import type { AccessEvent, SubjectReference } from '../../../services/access/events.ts'
import { administratorDefinition } from '../../../services/access/policy/administrator.ts'
import { type ClinicFold, createClinicFold, noon, patient, permission, record, role, staff } from '../../support/clinic-fold.ts'

const root = staff('root')
const anna = staff('anna')

const aClinic = (): ClinicFold => {
  const clinic = createClinicFold()
  clinic.apply('chartwarden.clinic.registered.v1', { title: 'Clinic', time_zone: 'UTC', administrator: root })
  for (const subject of [root, anna]) clinic.enrol(subject)
  clinic.define(administratorDefinition)
  clinic.grant(root, 'administrator')
  return clinic
}

const outcome = (clinic: ClinicFold, command: AdministrativeCommand, subject?: SubjectReference) =>
  administer(clinic.state, command, { scope: 'directory.write', ...(subject === undefined ? {} : { subject }) }, noon)

const carryOut = (clinic: ClinicFold, command: AdministrativeCommand): AccessEvent => {
  const planned = outcome(clinic, command)
  if (planned.kind !== 'change') throw new Error(JSON.stringify(planned))
  clinic.applyAll(planned.events)
  return clinic.last()
}

const image: PutResource = {
  kind: 'put_resource',
  resourceType: 'imaging',
  record: record('imaging', '1'),
  patient: patient('1'),
  confidentiality: 'R',
  sensitivities: ['HIV'],
  properties: { status: 'released' },
}

t.test('a description replaces what was said before', async (t) => {
  const clinic = aClinic()
  const first = { kind: 'put_subject', subject: anna, properties: { a: 1, b: 2 } } as const
  const event = carryOut(clinic, first)
  t.same(clinic.state.directory.subjects.get(anna.pseudonym), { a: 1, b: 2 })
  t.ok(stillHolds(clinic.state, first, event, noon))
  carryOut(clinic, { ...first, properties: { b: 2, a: 1 } })
  t.ok(stillHolds(clinic.state, first, event, noon), 'the same said anew')
  carryOut(clinic, { ...first, properties: { a: 1 } })
  t.same(clinic.state.directory.subjects.get(anna.pseudonym), { a: 1 })
  t.notOk(stillHolds(clinic.state, first, event, noon))
  const removal = { kind: 'remove_subject', subject: anna } as const
  const removed = carryOut(clinic, removal)
  t.ok(stillHolds(clinic.state, removal, removed, noon))
  t.notOk(stillHolds(clinic.state, first, event, noon))
  t.match(outcome(clinic, removal), { kind: 'error', reason: 'SUBJECT_UNDESCRIBED' })
  carryOut(clinic, first)
  t.notOk(stillHolds(clinic.state, removal, removed, noon))
})

t.test('a description of a resource holds as long as everything in it does', async (t) => {
  const clinic = aClinic()
  const event = carryOut(clinic, image)
  t.ok(stillHolds(clinic.state, image, event, noon))
  const changes: readonly Partial<PutResource>[] = [
    { confidentiality: 'V' },
    { sensitivities: [] },
    { properties: {} },
    { patient: patient('2') },
  ]
  for (const change of changes) {
    carryOut(clinic, { ...image, ...change })
    t.notOk(stillHolds(clinic.state, image, event, noon), JSON.stringify(Object.keys(change)))
  }
  carryOut(clinic, image)
  t.ok(stillHolds(clinic.state, image, event, noon))
  const removal = { kind: 'remove_resource', resourceType: 'imaging', record: image.record } as const
  const removed = carryOut(clinic, removal)
  t.match(removed.data, { patient: patient('1') }, 'the entry says whom it concerns')
  t.notOk(stillHolds(clinic.state, image, event, noon))
  t.match(outcome(clinic, removal), { kind: 'error', reason: 'RESOURCE_UNDESCRIBED' })
})

t.test('a former subject is not described', async (t) => {
  const clinic = aClinic()
  carryOut(clinic, { kind: 'offboard', subject: anna })
  t.match(outcome(clinic, { kind: 'put_subject', subject: anna, properties: {} }), { kind: 'error', reason: 'SUBJECT_FORMER' })
  t.equal(outcome(clinic, { kind: 'put_subject', subject: staff('stranger'), properties: {} }).kind, 'change')
})

t.test('persons need staff_account for subjects and directory for resources', async (t) => {
  const clinic = aClinic()
  clinic.define(role('keeper', [permission('directory', 'update')]))
  clinic.grant(anna, 'keeper')
  const subject = { kind: 'put_subject', subject: anna, properties: {} } as const
  t.equal(outcome(clinic, subject, root).kind, 'change')
  t.match(outcome(clinic, subject, anna), { kind: 'refused', resourceType: 'staff_account', action: 'update' })
  t.equal(outcome(clinic, image, anna).kind, 'change')
  t.match(outcome(clinic, image, staff('stranger')), { kind: 'refused', resourceType: 'directory' })
})

t.test('a malformed description names every fault', async (t) => {
  const malformed = outcome(aClinic(), {
    ...image,
    resourceType: '*',
    confidentiality: 'X' as 'V',
    sensitivities: ['*', '*'],
    properties: { sensitivities: [], 'a b': 1 },
  })
  if (malformed.kind !== 'error') throw new Error(malformed.kind)
  t.same(
    malformed.fields?.map(({ field }) => field),
    [
      'description.resource.type',
      'description.confidentiality',
      'description.sensitivities',
      'description.sensitivities',
      'description.resource.properties.sensitivities',
      'description.resource.properties',
    ],
  )
})
