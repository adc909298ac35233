/** Roles and settings over gRPC: what was put is what is listed, decides, and is refused where it must be. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { createLedgerReader } from '../support/ledger-reader.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'

const clinic = 'north'

const aClinic = async (t: Test) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const own = clientsOf(service, await service.token({ clinics: [clinic] }))
  const acting = clientsOf(service, await service.token({ clinics: [clinic], scopes: [...ownScopes, 'act'] as Scope[] }))
  await registerTestClinic(own, clinic)
  const put = (role: object, requestId = randomUUID()) => own.policy.putRole({ requestId, clinic, role })
  return { own, acting, put, ledgers: await createLedgerReader(t, database) }
}

const faultsOf = (call: Promise<unknown>) =>
  call.then(
    () => [],
    ({ fields }: ChartwardenError) => fields.map(({ field }) => field),
  )

const reader = {
  role: 'reader',
  title: 'Reader',
  inherits: [],
  permissions: [
    {
      id: 'record.final',
      resourceType: 'treatment_record',
      actions: ['read'],
      effect: Effect.PERMIT,
      bounds: [],
      purposes: ['TREAT'],
      condition: 'action.name == "read"\n  && resource.properties.status == "final"',
    },
    {
      id: '*.export',
      resourceType: '*',
      actions: ['export'],
      effect: Effect.FORBID,
      bounds: [],
      purposes: [],
      condition: '',
    },
  ],
  clearance: { confidentiality: 'R', sensitivities: ['HIV'] },
}

t.test('a role with a condition and a clearance is listed as it was put, and decides by its condition', async (t) => {
  const { own, put, ledgers } = await aClinic(t)
  const requestId = randomUUID()
  const first = await put(reader, requestId)
  t.match(
    (await own.policy.listRoles({ clinic })).roles.find(({ role }) => role === 'reader'),
    reader,
  )
  t.equal((await put(reader, requestId)).replayed, true)
  t.equal((await ledgers.entries(clinic)).at(-1)?.revision, first.entry?.revision, 'a repeat is no entry')
  await hire(own, clinic, 'rita', 'reader')
  const ask = async (status: string) => {
    const question = readRecord(clinic, 'rita')
    return (await own.access.check({ ...question, resource: { ...question.resource, properties: { status } } })).decision
  }
  t.equal(await ask('final'), Decision.PERMIT)
  t.equal(await ask('draft'), Decision.DENY)
  await put({ ...reader, clearance: undefined })
  await t.rejects(put(reader, requestId), fault('STALE_REQUEST'), 'without its clearance it is another role')
})

t.test("a clinic's own resource types and actions need no declaration, and * stands for any of them", async (t) => {
  const { own, put } = await aClinic(t)
  await put({
    role: 'editor',
    title: 'Editor',
    permissions: [
      { resourceType: 'todo', actions: ['can_update_todo'], effect: Effect.PERMIT, purposes: ['TREAT'] },
      { resourceType: 'whiteboard', actions: ['*'], effect: Effect.PERMIT, purposes: ['TREAT'] },
      { resourceType: '*', actions: ['can_see'], effect: Effect.PERMIT, purposes: ['TREAT'] },
    ],
  })
  await hire(own, clinic, 'ed', 'editor')
  const ask = async (type: string, name: string) =>
    (await own.access.check({ ...readRecord(clinic, 'ed'), action: { name }, resource: { type, id: 'x' } })).reasonCode
  t.equal(await ask('todo', 'can_update_todo'), 'role_permits')
  t.equal(await ask('todo', 'wipe'), 'no_grant')
  t.equal(await ask('whiteboard', 'wipe'), 'role_permits')
  t.equal(await ask('kettle', 'can_see'), 'role_permits')
  t.equal(await ask('kettle', 'wipe'), 'no_grant')
})

t.test('a role that is not well formed is refused with the place of every fault', async (t) => {
  const { own, put } = await aClinic(t)
  const broken = {
    ...reader,
    permissions: [...reader.permissions, { ...reader.permissions[0], id: 'x', condition: 'resource.properties.status ==' }],
    clearance: { confidentiality: 'secret', sensitivities: ['HIV', 'HIV', 'GOSSIP'] },
  }
  const refused = await put(broken).then(
    () => undefined,
    (error: ChartwardenError) => error,
  )
  t.equal(refused?.reason, 'INVALID_ARGUMENT')
  t.same(refused?.fields.map(({ field }) => field).sort(), [
    'role.clearance.confidentiality',
    'role.clearance.sensitivities',
    'role.clearance.sensitivities',
    'role.permissions[2].condition',
  ])
  t.match(refused?.fields.find(({ field }) => field.endsWith('condition'))?.description, /^line 1, column \d+: /)
  t.notOk((await own.policy.listRoles({ clinic })).roles.some(({ role }) => role === 'reader'))
})

t.test('no change of roles ever closes a cycle, however it is come by', async (t) => {
  const { own, put } = await aClinic(t)
  const named = (role: string, ...inherits: string[]) => put({ role, title: role, inherits })
  await named('a')
  await named('b', 'a')
  await named('c', 'b')
  await t.rejects(named('a', 'a'), fault('ROLE_CYCLE'))
  await t.rejects(named('a', 'c'), fault('ROLE_CYCLE'), 'through a third role')
  await t.rejects(named('a', 'nonesuch'), fault('INVALID_ARGUMENT'))
  await own.policy.retireRole({ requestId: randomUUID(), clinic, role: 'a' })
  await t.rejects(named('a', 'c'), fault('ROLE_CYCLE'), 'nor anew after it was retired, while others still name it')
  await named('b')
  await named('a', 'c')
  t.same((await own.policy.listRoles({ clinic })).roles.find(({ role }) => role === 'a')?.inherits, ['c'])
})

const defaults = {
  ownRecord: 'deny',
  openResourceTypes: ['appointment', 'invoice', 'message', 'personal_details'],
  protectEveryType: false,
  consentToShare: [],
  emergency: {
    disabled: false,
    overrides: ['confidentiality', 'consent', 'permissions'],
    defaultMinutes: 60,
    maxMinutes: 240,
    reviewHours: 72,
  },
}

t.test('settings are the defaults until they are put, and then what was put with every default filled in', async (t) => {
  const { own, ledgers } = await aClinic(t)
  t.match((await own.policy.getSettings({ clinic })).settings, defaults)
  const put = (settings: object | undefined, requestId = randomUUID()) =>
    own.policy.putSettings({ requestId, clinic, ...(settings === undefined ? {} : { settings }), reason: 'As agreed' })
  const requestId = randomUUID()
  const first = await put({ ownRecord: 'read', emergency: { maxMinutes: 120, overrides: ['permissions', 'consent'] } }, requestId)
  const answer = await own.policy.getSettings({ clinic })
  t.match(answer.settings, {
    ...defaults,
    ownRecord: 'read',
    emergency: { ...defaults.emergency, maxMinutes: 120, overrides: ['consent', 'permissions'] },
  })
  t.equal(answer.completeToRevision, first.entry?.revision)
  t.match((await ledgers.entries(clinic)).at(-1), {
    type: 'chartwarden.settings.changed.v1',
    data: { own_record: 'read', emergency: { max_minutes: 120 }, actor: { rule: 'scope/policy.write' } },
  })
  t.equal(
    (await put({ ownRecord: 'read', emergency: { maxMinutes: 120, overrides: ['permissions', 'consent'] } }, requestId)).replayed,
    true,
  )
  await put({ protectEveryType: true, consentToShare: ['*'] })
  t.match((await own.policy.getSettings({ clinic })).settings, {
    ownRecord: 'deny',
    openResourceTypes: { length: 0 },
    protectEveryType: true,
    consentToShare: ['*'],
  })
  await t.rejects(
    put({ ownRecord: 'read', emergency: { maxMinutes: 120, overrides: ['permissions', 'consent'] } }, requestId),
    fault('STALE_REQUEST'),
  )
  await t.rejects(put({ ownRecord: 'deny' }, requestId), fault('REQUEST_MISMATCH'))
  t.same(await faultsOf(put(undefined)), ['settings'])
  t.same(await faultsOf(put({ ownRecord: 'yes', emergency: { overrides: ['forbid'], defaultMinutes: 300 } })), [
    'settings.own_record',
    'settings.emergency.overrides[0]',
    'settings.emergency.default_minutes',
  ])
})

t.test('settings change only for a person who may change them; a refusal is recorded', async (t) => {
  const { own, acting, ledgers } = await aClinic(t)
  await hire(own, clinic, 'anna')
  const call = (id: string) =>
    acting.policy.putSettings({ requestId: randomUUID(), clinic, onBehalfOf: staff(id), settings: { ownRecord: 'as_roles_permit' } })
  await t.rejects(call('anna'), fault('NOT_PERMITTED'))
  t.match((await ledgers.entries(clinic)).at(-1), {
    type: 'chartwarden.access.decided.v1',
    data: { decision: 'deny', resource_type: 'clinic_settings', action: 'update', operation: 'put_settings' },
  })
  t.equal((await own.policy.getSettings({ clinic })).settings?.ownRecord, 'deny', 'nothing has changed')
  await call('boss')
  t.match((await ledgers.entries(clinic)).at(-1)?.data, { actor: { rule: 'role/administrator#clinic_settings.update' } })
  t.equal((await acting.policy.getSettings({ clinic, onBehalfOf: staff('anna') })).settings?.ownRecord, 'as_roles_permit')
  await t.rejects(acting.policy.getSettings({ clinic }), fault('PERSON_REQUIRED'))
  await t.rejects(own.policy.getSettings({ clinic: 'south' }), fault('CLINIC_NOT_ALLOWED'))
})
