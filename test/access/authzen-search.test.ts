/**
 * The searches of the AuthZEN certification scenario, asked over the API. The policy is modelled on roles: whoever is a member may read and
 * update archived records as an administrator; the one who owns writes what is active. Permissions name no person.
 */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { WhatCanList } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { clientsOf } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'

const clinic = 'authzen'
const service = await startTestService(t, { database: await createTestDatabase(t) })
const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
const { access, clinics, directory, people, policy } = clients

const user = (id: string, properties = {}) => ({ type: 'user', id, properties })
const record = (id: string, properties = {}) => ({ type: 'record', id, properties })
const request = () => ({ requestId: randomUUID(), clinic })
const permits = (action: string, condition = '') => ({
  resourceType: 'record',
  actions: [action],
  effect: Effect.PERMIT,
  ...(condition === '' ? {} : { condition }),
})

t.before(async () => {
  await clinics.registerClinic({ ...request(), title: 'AuthZEN', timeZone: 'UTC', administrator: { type: 'staff', id: 'boss' } })
  await policy.putRole({
    ...request(),
    role: {
      role: 'member',
      title: 'Member',
      permissions: [permits('read'), permits('write', 'subject.properties.role == "admin" && resource.properties.status == "archived"')],
    },
  })
  await policy.putRole({
    ...request(),
    role: {
      role: 'owner',
      title: 'Owner',
      permissions: [permits('write', 'resource.properties.status == "active"'), permits('delete', 'action.properties.soft == true')],
    },
  })
  const roles = { alice: ['member', 'owner'], bob: ['member'] }
  for (const [id, held] of Object.entries(roles)) {
    await people.enrolStaff({ ...request(), subject: user(id) })
    for (const role of held) await people.grantRole({ ...request(), subject: user(id), role })
  }
  await directory.putSubject({ ...request(), subject: user('bob', { role: 'admin' }) })
  await directory.putResource({ ...request(), description: { resource: record('record-1', { status: 'active' }) } })
  await directory.putResource({ ...request(), description: { resource: record('record-2', { status: 'archived' }) } })
})

const decides = async (subject: object, action: object, resource: object): Promise<boolean> => {
  const check = { ...request(), subject, action, resource, purpose: 'TREAT' } as Parameters<typeof access.check>[0]
  return (await access.check(check)).decision === Decision.PERMIT
}

t.test('the decisions that the searches must agree with', async (t) => {
  const [one, two] = [record('record-1'), record('record-2')]
  t.ok(await decides(user('alice'), { name: 'read' }, one))
  t.ok(await decides(user('alice'), { name: 'write' }, one))
  t.ok(await decides(user('bob'), { name: 'read' }, one))
  t.notOk(await decides(user('bob'), { name: 'write' }, one))
  t.notOk(await decides(user('alice'), { name: 'write' }, record('record-1', { status: 'archived' })))
  t.ok(await decides(user('alice', { role: 'admin' }), { name: 'write' }, record('record-1', { status: 'archived' })))
  t.ok(await decides(user('alice'), { name: 'delete', properties: { soft: true } }, one))
  t.notOk(await decides(user('alice'), { name: 'delete', properties: { soft: false } }, one))
  t.ok(await decides(user('bob'), { name: 'write' }, two))
})

const who = async (action: string, resource: object): Promise<readonly (string | undefined)[]> => {
  const query = { clinic, action: { name: action }, resource, purpose: 'TREAT' } as Parameters<typeof access.whoCan>[0]
  return (await access.whoCan(query)).subjects.map(({ subject }) => subject?.id).sort()
}

const records = async (subject: object, action: string): Promise<readonly (string | undefined)[]> => {
  const list = { list: WhatCanList.RESOURCES, action: { name: action }, resource: { type: 'record' } }
  const query = { clinic, subject, purpose: 'TREAT', ...list } as Parameters<typeof access.whatCan>[0]
  return (await access.whatCan(query)).allowed.map(({ resource }) => resource?.id).sort()
}

const actions = async (subject: object, resource: object): Promise<readonly string[]> => {
  const query = { clinic, subject, resource, purpose: 'TREAT' } as Parameters<typeof access.whatCan>[0]
  return (await access.whatCan(query)).allowed.map(({ action }) => action)
}

t.test('S1: who may read record-1', async (t) => t.same(await who('read', record('record-1')), ['alice', 'bob']))
t.test('S2: which records alice may read', async (t) => t.same(await records(user('alice'), 'read'), ['record-1', 'record-2']))
t.test('S3: what alice may do to record-1', async (t) => t.same(await actions(user('alice'), record('record-1')), ['read', 'write']))
t.test('S4: who may write the archived record-2', async (t) => {
  t.same(await who('write', record('record-2', { status: 'archived' })), ['bob'])
})
t.test('S5: which records bob, an administrator, may write', async (t) => {
  t.same(await records(user('bob', { role: 'admin' }), 'write'), ['record-2'])
})
t.test('S6: what bob, an administrator, may do to the archived record-2', async (t) => {
  t.same(await actions(user('bob', { role: 'admin' }), record('record-2', { status: 'archived' })), ['read', 'write'])
})
t.test('an unknown subject or type has no results, and that is no error', async (t) => {
  t.same(await records(user('mallory'), 'read'), [])
  t.same(await actions(user('alice'), { type: 'unheard', id: 'x' }), [])
  t.same(await who('read', { type: 'unheard', id: 'x' }), [])
})
