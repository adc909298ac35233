/** What the clinic's software tells about subjects and resources, over gRPC and as the entries keep it. */
import { randomUUID } from 'node:crypto'
import type { JsonObject } from '@bufbuild/protobuf'
import t, { type Test } from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { Pseudonym } from '../../services/audit/vault.ts'
import { accessOverGrpc } from '../support/access-over-grpc.ts'
import { caught } from '../support/caught.ts'
import { hire, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { ownScopes } from '../support/service.ts'

const clinic = 'north'
const common = () => ({ requestId: randomUUID(), clinic })
/** Whose key sealed the private part of an entry. */
const keyOf = (data: Readonly<Record<string, unknown>> | undefined): string | undefined =>
  (data?.['sealed'] as { readonly kid: string } | undefined)?.kid
const properties = { shift: 'night', level: 3, locum: false, wards: ['a', 'b'] }

const aClinic = async (t: Test) => {
  const { clients, entries } = await accessOverGrpc(t)
  const own = clients(clinic)
  await registerTestClinic(own, clinic)
  const ledgers = { entries, count: async (name: string): Promise<number> => (await entries(name)).length }
  return { own, acting: clients(clinic, [...ownScopes, 'act']), ledgers }
}

t.test('a subject is described, described anew and no longer described', async (t) => {
  const { own, ledgers } = await aClinic(t)
  const about = { type: 'locum', id: 'never-enrolled' }
  await t.rejects(own.directory.getSubject({ clinic, subject: about }), fault('SUBJECT_UNDESCRIBED'))
  await t.rejects(own.directory.removeSubject({ ...common(), subject: about }), fault('SUBJECT_UNDESCRIBED'))
  const first = { ...common(), subject: { ...about, properties } }
  const put = await own.directory.putSubject(first)
  const count = await ledgers.count(clinic)
  t.match(await own.directory.putSubject(first), { replayed: true, entry: { id: put.entry?.id } })
  await t.rejects(own.directory.putSubject({ ...first, subject: { ...about, properties: { shift: 'day' } } }), fault('REQUEST_MISMATCH'))
  t.equal(await ledgers.count(clinic), count)
  const shown = await own.directory.getSubject({ clinic, subject: about })
  t.match(shown.subject, { ...about, properties })
  t.equal(shown.completeToRevision, put.entry?.revision)
  t.equal(
    (
      await own.access.check({
        ...common(),
        subject: about,
        action: { name: 'read' },
        resource: { type: 'treatment_record', id: 'r' },
        purpose: 'TREAT',
      })
    ).reasonCode,
    'unknown_subject',
    'it makes nobody known',
  )

  await own.directory.putSubject({ ...common(), subject: { ...about, properties: { level: -0.5 } } })
  t.same((await own.directory.getSubject({ clinic, subject: about })).subject?.properties, { level: -0.5 })
  await t.rejects(own.directory.putSubject(first), fault('STALE_REQUEST'), 'a description that was replaced is not replayed')
  const removal = { ...common(), subject: about }
  await own.directory.removeSubject(removal)
  t.equal((await own.directory.removeSubject(removal)).replayed, true)
  await t.rejects(own.directory.getSubject({ clinic, subject: about }), fault('SUBJECT_UNDESCRIBED'))
  await own.directory.putSubject({ ...common(), subject: about })
  t.same((await own.directory.getSubject({ clinic, subject: about })).subject?.properties, {}, 'described with nothing is described')
  await t.rejects(own.directory.removeSubject(removal), fault('STALE_REQUEST'))

  t.match((await ledgers.entries(clinic)).find(({ type }) => type === 'chartwarden.subject.described.v1')?.data, {
    subject: { type: 'locum' },
    properties,
    actor: { rule: 'scope/directory.write' },
  })
})

t.test('offboarding removes the description, and a former subject gets none', async (t) => {
  const { own } = await aClinic(t)
  await hire(own, clinic, 'anna')
  await own.directory.putSubject({ ...common(), subject: { ...staff('anna'), properties } })
  await own.people.offboard({ ...common(), subject: staff('anna') })
  await t.rejects(own.directory.getSubject({ clinic, subject: staff('anna') }), fault('SUBJECT_UNDESCRIBED'))
  await t.rejects(own.directory.putSubject({ ...common(), subject: { ...staff('anna'), properties } }), fault('SUBJECT_FORMER'))
  await own.people.reinstate({ ...common(), subject: staff('anna') })
  await t.rejects(own.directory.getSubject({ clinic, subject: staff('anna') }), fault('SUBJECT_UNDESCRIBED'), 'it does not come back')
})

t.test('a resource is described with its labels, under the key of its patient', async (t) => {
  const { own, ledgers } = await aClinic(t)
  const resource = { type: 'imaging', id: 'x-ray-1', patientId: 'p-1', properties }
  const first = { ...common(), description: { resource, confidentiality: 'R', sensitivities: ['HIV', 'HOUSE_RULE'] } }
  const put = await own.directory.putResource(first)
  t.match(await own.directory.putResource(first), { replayed: true, entry: { id: put.entry?.id } })
  const asked = { clinic, resourceType: 'imaging', resourceId: 'x-ray-1' }
  const shown = await own.directory.getResource(asked)
  t.match(shown.description, { resource, confidentiality: 'R', sensitivities: ['HIV', 'HOUSE_RULE'] })
  await t.rejects(
    own.directory.getResource({ ...asked, resourceType: 'invoice' }),
    fault('RESOURCE_UNDESCRIBED'),
    'another type is another record',
  )

  const data = (await ledgers.entries(clinic)).findLast(({ type }) => type === 'chartwarden.resource.described.v1')?.data
  t.match(data, { resource_type: 'imaging', confidentiality: 'R', properties })
  t.equal(keyOf(data), data?.patient, 'the identifier is sealed under the patient’s key')
  t.not(data?.record, data?.patient)

  const nobodys = { ...common(), description: { resource: { type: 'price_list', id: 'list-1' } } }
  await own.directory.putResource(nobodys)
  t.match((await own.directory.getResource({ clinic, resourceType: 'price_list', resourceId: 'list-1' })).description, {
    resource: { type: 'price_list', id: 'list-1', patientId: '' },
    confidentiality: 'N',
    sensitivities: { length: 0 },
  })
  const removal = { ...common(), resourceType: 'imaging', resourceId: 'x-ray-1', reason: 'described by mistake' }
  await own.directory.removeResource(removal)
  t.equal((await own.directory.removeResource(removal)).replayed, true)
  await t.rejects(own.directory.getResource(asked), fault('RESOURCE_UNDESCRIBED'))
  await t.rejects(own.directory.removeResource({ ...removal, requestId: randomUUID() }), fault('RESOURCE_UNDESCRIBED'))
  await t.rejects(own.directory.putResource(first), fault('STALE_REQUEST'))
  const removed = (await ledgers.entries(clinic)).findLast(({ type }) => type === 'chartwarden.resource.removed.v1')?.data
  t.equal(keyOf(removed), data?.patient, 'and so is the reason')
})

t.test('a patient is described under the pseudonym that its records carry', async (t) => {
  const { own, ledgers } = await aClinic(t)
  for (const patientId of ['', 'p-1']) {
    await own.directory.putResource({
      ...common(),
      description: { resource: { type: 'patient', id: 'p-1', patientId }, sensitivities: ['VIP'] },
    })
  }
  const written = (await ledgers.entries(clinic)).filter(({ type }) => type === 'chartwarden.resource.described.v1')
  t.equal(written.length, 2)
  for (const { data } of written) t.equal(data.record, data.patient)
  t.match((await own.directory.getResource({ clinic, resourceType: 'patient', resourceId: 'p-1' })).description, {
    resource: { type: 'patient', id: 'p-1', patientId: 'p-1' },
    sensitivities: ['VIP'],
  })
  await t.rejects(
    own.directory.putResource({ ...common(), description: { resource: { type: 'patient', id: 'p-1', patientId: 'p-2' } } }),
    fault('INVALID_ARGUMENT'),
  )
})

t.test('what is said of a patient is what conditions read of that patient', async (t) => {
  const { own } = await aClinic(t)
  await own.policy.putRole({
    ...common(),
    role: {
      role: 'caller',
      title: 'Caller',
      permissions: [
        { resourceType: 'patient', actions: ['read'], effect: Effect.PERMIT, condition: 'resource.properties.reachable' },
        { resourceType: 'imaging', actions: ['read'], effect: Effect.PERMIT, condition: 'resource.properties.reachable' },
      ],
    },
  })
  await hire(own, clinic, 'carl', 'caller')
  const ask = async (type: string, id: string, patientId: string) =>
    (
      await own.access.check({
        ...common(),
        subject: staff('carl'),
        action: { name: 'read' },
        resource: { type, id, patientId },
        purpose: 'TREAT',
      })
    ).reasonCode
  const put = (type: string, id: string) =>
    own.directory.putResource({ ...common(), description: { resource: { type, id, properties: { reachable: true } } } })
  t.equal(await ask('patient', 'p-1', ''), 'condition_error', 'nothing is said yet')
  await put('patient', 'p-1')
  t.equal(await ask('patient', 'p-1', ''), 'role_permits')
  t.equal(await ask('patient', 'p-1', 'p-1'), 'role_permits')
  t.equal(await ask('patient', 'p-2', ''), 'condition_error')
  t.equal(await ask('imaging', 'p-1', 'p-1'), 'condition_error', 'properties are of the record itself, other than labels')
  await put('imaging', 'i-1')
  t.equal(await ask('imaging', 'i-1', 'p-1'), 'role_permits')
})

t.test('what is not well formed is refused by field and changes nothing', async (t) => {
  const { own, ledgers } = await aClinic(t)
  const count = await ledgers.count(clinic)
  const many = (length: number) => Object.fromEntries(Array.from({ length }, (_, index) => [`p${index}`, true]))
  const bad: readonly (readonly [string, JsonObject])[] = [
    ['', many(33)],
    ['', { 'with space': 1 }],
    ['', { '9lives': 1 }],
    ['', { constructor: 1 }],
    ['', JSON.parse('{"__proto__":"x"}') as JsonObject],
    ['', { ['x'.repeat(65)]: 1 }],
    ['.note', { note: null }],
    ['.note', { note: { nested: true } }],
    ['.note', { note: 'x'.repeat(257) }],
    ['.note', { note: 'a\0b' }],
    ['.note', { note: 'called twice about the bill' }],
    ['.note', { note: ['urgent', 'Mrs Smith'] }],
    ['.note', { note: '' }],
    ['.note', { note: Array.from({ length: 65 }, () => 'x') }],
    ['.note', { note: ['x', 1] }],
    ['.note', { note: [['x']] }],
    ['', Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`p${index}`, 'x'.repeat(250)]))],
  ]
  for (const [path, wrong] of bad) {
    const ofSubject = await caught(own.directory.putSubject({ ...common(), subject: { ...staff('anna'), properties: wrong } }))
    t.match(ofSubject, { reason: 'INVALID_ARGUMENT', fields: [{ field: `subject.properties${path}` }] }, path)
    const ofResource = await caught(
      own.directory.putResource({ ...common(), description: { resource: { type: 'imaging', id: 'x', properties: wrong } } }),
    )
    t.match(ofResource, { reason: 'INVALID_ARGUMENT', fields: [{ field: `description.resource.properties${path}` }] })
  }
  for (const label of ['confidentiality', 'sensitivities']) {
    const refused = await caught(
      own.directory.putResource({ ...common(), description: { resource: { type: 'imaging', id: 'x', properties: { [label]: 'V' } } } }),
    )
    t.match(refused, { reason: 'INVALID_ARGUMENT', fields: [{ field: `description.resource.properties.${label}` }] })
  }
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const refused = await caught(own.directory.putSubject({ ...common(), subject: { ...staff('anna'), properties: { value } } }))
    t.equal(refused.reason, 'INVALID_ARGUMENT', String(value))
  }
  const described = (description: object) => own.directory.putResource({ ...common(), description })
  const resource = { type: 'imaging', id: 'x' }
  await t.rejects(own.directory.putResource(common()), fault('INVALID_ARGUMENT'))
  await t.rejects(described({}), fault('INVALID_ARGUMENT'))
  await t.rejects(described({ resource: { type: 'imaging' } }), fault('INVALID_ARGUMENT'))
  await t.rejects(described({ resource: { type: 'x rays', id: 'x' } }), fault('INVALID_ARGUMENT'))
  await t.rejects(described({ resource: { type: '*', id: 'x' } }), fault('INVALID_ARGUMENT'))
  await t.rejects(described({ resource: { type: 'imaging', id: 'x'.repeat(257) } }), fault('INVALID_ARGUMENT'))
  await t.rejects(described({ resource, confidentiality: 'secret' }), fault('INVALID_ARGUMENT'))
  await t.rejects(described({ resource, sensitivities: ['*'] }), fault('INVALID_ARGUMENT'))
  await t.rejects(described({ resource, sensitivities: ['HIV', 'HIV'] }), fault('INVALID_ARGUMENT'))
  await t.rejects(described({ resource, sensitivities: Array.from({ length: 33 }, (_, index) => `S${index}`) }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.directory.putSubject({ ...common(), subject: { type: 'staff', id: '' } }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.directory.putSubject({ ...common(), requestId: 'one', subject: staff('anna') }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.directory.removeResource({ ...common(), resourceType: '', resourceId: 'x' }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.directory.getResource({ clinic, resourceType: 'imaging', resourceId: '' }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.directory.putSubject({ ...common(), clinic: 'south', subject: staff('anna') }), fault('CLINIC_NOT_ALLOWED'))
  await t.rejects(own.directory.getSubject({ clinic: 'south', subject: staff('anna') }), fault('CLINIC_NOT_ALLOWED'))
  t.equal(await ledgers.count(clinic), count)
})

t.test('whoever looks at the labels of a record stands in the history of its patient, also software without a person', async (t) => {
  const { own, acting, ledgers } = await aClinic(t)
  const description = { resource: { type: 'imaging', id: 'x-ray-1', patientId: 'p-1' }, sensitivities: ['HIV'] }
  await own.directory.putResource({ ...common(), description })
  const described = (await ledgers.entries(clinic)).at(-1)?.data
  const asked = { clinic, resourceType: 'imaging', resourceId: 'x-ray-1' }
  const revision = async () => BigInt((await ledgers.count(clinic)) - 1)
  const look = async (call: () => Promise<unknown>) => {
    const before = await revision()
    await call()
    return (await ledgers.entries(clinic)).slice(Number(before) + 1).filter(({ type }) => type !== 'chartwarden.identity.introduced.v1')
  }
  const bySoftware = await look(() => own.directory.getResource(asked))
  t.match(bySoftware, [
    {
      type: 'chartwarden.trail.viewed.v1',
      data: { query: 'get_resource', patient: described?.patient, actor: { rule: 'scope/directory.read' } },
    },
  ])
  t.notMatch(JSON.stringify(bySoftware[0]?.data), /x-ray-1/)
  await own.policy.putRole({
    ...common(),
    role: { role: 'keeper', title: 'Keeper', permissions: [{ resourceType: 'directory', actions: ['update'], effect: Effect.PERMIT }] },
  })
  await hire(own, clinic, 'kim', 'keeper')
  t.match(await look(() => acting.directory.getResource({ ...asked, onBehalfOf: staff('kim') })), [
    { type: 'chartwarden.trail.viewed.v1', data: { patient: described?.patient, actor: { rule: 'role/keeper#directory.update' } } },
  ])
  const inVain = await look(() => caught(own.directory.getResource({ ...asked, resourceId: 'not-described' })))
  t.match(inVain, [{ type: 'chartwarden.trail.viewed.v1', data: { query: 'get_resource', patient: undefined } }])
})

t.test('the largest description that is allowed is kept', async (t) => {
  const { own } = await aClinic(t)
  const largest = {
    ...Object.fromEntries(Array.from({ length: 31 }, (_, index) => [`p${index}`, 'x'.repeat(100)])),
    list: Array.from({ length: 64 }, () => 'y'),
  }
  await own.directory.putSubject({ ...common(), subject: { ...staff('anna'), properties: largest } })
  t.same((await own.directory.getSubject({ clinic, subject: staff('anna') })).subject?.properties, largest)
})

t.test('a person named is decided against the own roles, and what was refused is recorded', async (t) => {
  const { own, acting, ledgers } = await aClinic(t)
  await hire(own, clinic, 'anna')
  await own.policy.putRole({
    ...common(),
    role: { role: 'keeper', title: 'Keeper', permissions: [{ resourceType: 'directory', actions: ['update'], effect: Effect.PERMIT }] },
  })
  await hire(own, clinic, 'kim', 'keeper')
  const onBehalfOf = (id: string) => ({ ...common(), onBehalfOf: staff(id) })
  const description = { resource: { type: 'imaging', id: 'x' } }
  await t.rejects(acting.directory.putResource({ ...onBehalfOf('anna'), description }), fault('NOT_PERMITTED'))
  await t.rejects(
    acting.directory.getResource({ clinic, onBehalfOf: staff('anna'), resourceType: 'imaging', resourceId: 'x' }),
    fault('NOT_PERMITTED'),
  )
  await t.rejects(acting.directory.putSubject({ ...onBehalfOf('kim'), subject: staff('anna') }), fault('NOT_PERMITTED'))
  await t.rejects(acting.directory.getSubject({ clinic, onBehalfOf: staff('kim'), subject: staff('anna') }), fault('NOT_PERMITTED'))
  t.same(
    (await ledgers.entries(clinic))
      .filter(({ type }) => type === 'chartwarden.access.decided.v1')
      .map(({ data }) => [data.decision, data.operation]),
    ['put_resource', 'get_resource', 'put_subject', 'get_subject'].map((operation) => ['deny', operation]),
  )
  t.ok((await acting.directory.putResource({ ...onBehalfOf('kim'), description })).entry)
  t.ok((await acting.directory.getResource({ clinic, onBehalfOf: staff('kim'), resourceType: 'imaging', resourceId: 'x' })).description)
  t.ok((await acting.directory.putSubject({ ...onBehalfOf('boss'), subject: staff('anna') })).entry)
  t.match((await ledgers.entries(clinic)).at(-1)?.data, { actor: { rule: 'role/administrator#staff_account.update' } })
})

t.test('an erased identity is shown by its pseudonym', async (t) => {
  const { clock, keyStore, vault, clients } = await accessOverGrpc(t)
  const own = clients(clinic)
  await registerTestClinic(own, clinic)
  await own.directory.putResource({
    ...common(),
    description: { resource: { type: 'imaging', id: 'x', patientId: 'p-1' }, confidentiality: 'V' },
  })
  await own.directory.putResource({ ...common(), description: { resource: { type: 'patient', id: 'p-1' } } })
  await own.directory.putSubject({ ...common(), subject: { ...staff('anna'), properties } })
  const keys = await vault.clinic(clinic)
  for (const identity of [
    { kind: 'patient', type: '', id: 'p-1' },
    { kind: 'subject', ...staff('anna') },
  ] as const) {
    keyStore.destroy(clinic, keys?.pseudonym(identity) as Pseudonym)
  }
  clock.advance(120_000)
  t.match((await own.directory.getResource({ clinic, resourceType: 'imaging', resourceId: 'x' })).description, {
    resource: { id: 'x', patientId: /^erased:/ },
    confidentiality: 'V',
  })
  t.match((await own.directory.getResource({ clinic, resourceType: 'patient', resourceId: 'p-1' })).description?.resource, {
    id: /^erased:/,
    patientId: /^erased:/,
  })
  t.match((await own.directory.getSubject({ clinic, subject: staff('anna') })).subject, { type: 'staff', id: /^erased:/, properties })
})
