/** Simulate as callers see it: over gRPC, on a real ledger. */
import { randomUUID } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import pg from 'pg'
import t from 'tap'
import { Effect, type SimulateRequestSchema } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { caught } from '../support/caught.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { createLedgerReader } from '../support/ledger-reader.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

const database = await createTestDatabase(t)
const service = await startTestService(t, { database })
const ledger = await createLedgerReader(t, database)

const registered = async (clinic: string) => {
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')
  return { clinic, ...clients }
}

const reads = { resourceType: 'treatment_record', actions: ['read'], effect: Effect.PERMIT }
/** A role that everybody has already, with another permission. */
const dentist = (permission: object) => ({ role: 'dentist', title: 'Dentist', permissions: [{ ...reads, ...permission }] })

t.test('one question is decided twice: as it is, and as it would be', async (t) => {
  const { clinic, policy } = await registered('simulate-one')
  const questions = { case: 'check', value: readRecord(clinic, 'anna') } as const
  const ended = await policy.simulate({ clinic, proposed: { retireRoles: ['dentist'] }, questions })
  t.match(ended, {
    decided: 1,
    changed: 1,
    changes: [
      {
        subject: staff('anna'),
        action: 'read',
        resourceType: 'treatment_record',
        purpose: 'TREAT',
        today: { decision: Decision.PERMIT, rule: 'role/dentist#treatment_record.read' },
        proposed: { decision: Decision.DENY, reasonCode: 'unknown_resource_type' },
      },
    ],
  })
  const same = await policy.simulate({ clinic, proposed: { putRoles: [dentist({ purposes: ['TREAT'] })] }, questions })
  t.match(same, { decided: 1, changed: 0, changes: { length: 0 }, notSimulatedCount: 0 })
})

t.test('it changes nothing: one entry says that somebody looked, and no check is answered otherwise', async (t) => {
  const { clinic, policy, access } = await registered('simulate-nothing')
  const proposal = {
    clinic,
    proposed: { retireRoles: ['dentist'], settings: { ownRecord: 'read' } },
    questions: { case: 'check' as const, value: readRecord(clinic, 'anna') },
  }
  // The first call of this software introduces it as a subject.
  await policy.simulate(proposal)
  const before = await ledger.count(clinic)
  const { entry, completeToRevision } = await policy.simulate(proposal)
  const added = (await ledger.entries(clinic)).slice(before)
  t.same(
    added.map(({ type, revision, data }) => [type, revision, data.query]),
    [['chartwarden.trail.viewed.v1', entry?.revision, 'simulate']],
  )
  t.ok(completeToRevision < BigInt(before))
  t.equal((await access.check(readRecord(clinic, 'anna'))).decision, Decision.PERMIT)
  t.match(await policy.getSettings({ clinic }), { settings: { ownRecord: 'deny' } })
})

t.test('a policy that could not be put is refused with the field, as PutRole and PutSettings would name it', async (t) => {
  const { clinic, policy } = await registered('simulate-bad')
  const before = await ledger.count(clinic)
  const questions = { case: 'check', value: readRecord(clinic, 'anna') } as const
  const malformed: readonly (readonly [string, object])[] = [
    ['proposed.put_roles[0].permissions[0].effect', { putRoles: [dentist({ effect: Effect.UNSPECIFIED })] }],
    ['proposed.put_roles[0].permissions[0].condition', { putRoles: [dentist({ condition: 'resource.properties.status ==' })] }],
    ['proposed.settings.own_record', { settings: { ownRecord: 'always' } }],
    ['proposed.retire_roles[1]', { retireRoles: ['dentist', 'x'.repeat(100_000)] }],
  ]
  for (const [field, proposed] of malformed) {
    const error = await caught(policy.simulate({ clinic, proposed, questions }))
    t.equal(error.reason, 'INVALID_ARGUMENT')
    t.ok(
      error.fields.some((one) => one.field.startsWith(field)),
      `${field}: ${JSON.stringify(error.fields)}`,
    )
  }
  for (const request of [
    { clinic, questions },
    { clinic, proposed: {} },
    { clinic, proposed: {}, questions: { case: 'lastDecisions', value: 10_001 } as const },
  ]) {
    t.equal((await caught(policy.simulate(request))).reason, 'INVALID_ARGUMENT')
  }
  t.equal(await ledger.count(clinic), before, 'what is malformed makes no entry')
  const impossible: readonly (readonly [string, object])[] = [
    ['proposed.put_roles[0]', { putRoles: [{ ...dentist({}), role: 'administrator' }] }],
    ['proposed.put_roles[0].inherits[0]', { putRoles: [{ ...dentist({}), inherits: ['no_such_role'] }] }],
    [
      'proposed.put_roles[1]',
      {
        putRoles: [
          { ...dentist({}), role: 'chief', inherits: ['dentist'] },
          { ...dentist({}), inherits: ['chief'] },
        ],
      },
    ],
    ['proposed.retire_roles[1]', { retireRoles: ['dentist', 'dentist'] }],
  ]
  for (const [field, proposed] of impossible) {
    const error = await caught(policy.simulate({ clinic, proposed, questions }))
    t.equal(error.reason, 'INVALID_ARGUMENT')
    t.same(
      error.fields.map((one) => one.field),
      [field],
    )
  }
})

t.test('the last decisions are made again, newest first, and administrative ones are said', async (t) => {
  const { clinic, policy, access } = await registered('simulate-last')
  for (const id of ['anna', 'nobody', 'anna']) await access.check(readRecord(clinic, id))
  const acting = clientsOf(service, await service.token({ clinics: [clinic], scopes: ['staff.read', 'act'] }))
  t.equal((await caught(acting.people.listStaff({ clinic, onBehalfOf: staff('anna') }))).reason, 'NOT_PERMITTED')
  const simulated = await policy.simulate({
    clinic,
    proposed: { putRoles: [dentist({ purposes: ['HPAYMT'] })] },
    questions: { case: 'lastDecisions', value: 10 },
  })
  t.match(simulated, { decided: 3, changed: 2, notSimulatedCount: 1, notSimulated: [{ reason: 'administrative' }] })
  const revisions = simulated.changes.map(({ recorded }) => recorded?.revision ?? 0n)
  t.ok((revisions[0] as bigint) > (revisions[1] as bigint))
  t.match(simulated.changes, [
    { subject: staff('anna'), today: { reasonCode: 'role_permits' }, proposed: { reasonCode: 'purpose_not_allowed' } },
    { subject: staff('anna') },
  ])
  const last = await policy.simulate({
    clinic,
    proposed: { retireRoles: ['dentist'] },
    questions: { case: 'lastDecisions', value: 2 },
  })
  t.match(last, { decided: 1, changed: 1, notSimulatedCount: 1 })
})

t.test('a condition is decided on what was kept, and what was not kept is named instead of guessed', async (t) => {
  const { clinic, policy, access } = await registered('simulate-kept')
  const stated = (status: string) => {
    const { resource, ...check } = readRecord(clinic, 'anna')
    return { ...check, resource: { ...resource, properties: { status } } }
  }
  await access.check(stated('final'))
  const needsStatus = { putRoles: [dentist({ condition: 'resource.properties.status == "final"' })] }
  const questions = { case: 'lastDecisions', value: 10 } as const
  t.match(await policy.simulate({ clinic, proposed: needsStatus, questions }), {
    decided: 0,
    notSimulatedCount: 1,
    notSimulated: [{ reason: 'attribute_not_kept', attributes: ['resource.properties.status'] }],
  })
  // From now on a condition names it, so that it is kept.
  await policy.putRole({ requestId: randomUUID(), clinic, role: dentist({ condition: 'resource.properties.status != "lost"' }) })
  await access.check(stated('final'))
  await access.check(stated('draft'))
  await access.check(readRecord(clinic, 'anna'))
  const simulated = await policy.simulate({ clinic, proposed: needsStatus, questions })
  t.match(simulated, { decided: 3, changed: 1, notSimulatedCount: 1 })
  t.match(simulated.changes, [{ today: { reasonCode: 'role_permits' }, proposed: { reasonCode: 'condition_not_met' } }])
})

t.test('what the directory says now is not mixed with what was so then', async (t) => {
  const { clinic, policy, access, directory } = await registered('simulate-then')
  await policy.putRole({ requestId: randomUUID(), clinic, role: dentist({ condition: 'subject.properties.level == "senior"' }) })
  const describe = (level: string) =>
    directory.putSubject({ requestId: randomUUID(), clinic, subject: { ...staff('anna'), properties: { level } } })
  await describe('senior')
  t.equal((await access.check(readRecord(clinic, 'anna'))).decision, Decision.PERMIT)
  await describe('junior')
  t.equal((await access.check(readRecord(clinic, 'anna'))).decision, Decision.DENY)
  const simulated = await policy.simulate({
    clinic,
    proposed: { putRoles: [dentist({ condition: 'subject.properties.level == "junior"' })] },
    questions: { case: 'lastDecisions', value: 10 },
  })
  t.match(simulated.changes, [
    { today: { decision: Decision.DENY }, proposed: { decision: Decision.PERMIT } },
    { today: { decision: Decision.PERMIT }, proposed: { decision: Decision.DENY } },
  ])
})

t.test('duties are part of the answer', async (t) => {
  const { clinic, policy, access } = await registered('simulate-duties')
  await access.check({ ...readRecord(clinic, 'anna'), supportedObligations: ['mask'] })
  const masked = dentist({ effect: Effect.LIMITED, bounds: [{ kind: 'mask' }] })
  const simulated = await policy.simulate({
    clinic,
    proposed: { putRoles: [masked] },
    questions: { case: 'lastDecisions', value: 10 },
  })
  t.match(simulated.changes, [
    {
      today: { decision: Decision.PERMIT, obligations: { length: 0 } },
      proposed: { decision: Decision.PERMIT, obligations: [{ type: 'mask' }] },
    },
  ])
})

t.test('decisions about somebody whose identity was erased are said, not made', async (t) => {
  const { clinic, access } = await registered('simulate-erased')
  await access.check(readRecord(clinic, 'anna', { patient: 'gone' }))
  await access.check(readRecord(clinic, 'anna', { patient: 'here' }))
  const [decided] = (await ledger.entries(clinic)).filter(({ type }) => type === 'chartwarden.access.decided.v1')
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  await client.query(
    'update chartwarden_vault.identity_keys set wrapped_key = null, destroyed_at = clock_timestamp() where clinic = $1 and pseudonym = $2',
    [clinic, decided?.data.patient],
  )
  await client.end()
  // Another replica, which has not seen the key.
  const other = await startTestService(t, { database, stateDir: service.stateDir })
  const { policy } = clientsOf(other, await other.token({ clinics: [clinic] }))
  const simulated = await policy.simulate({
    clinic,
    proposed: { retireRoles: ['dentist'] },
    questions: { case: 'lastDecisions', value: 10 },
  })
  t.match(simulated, { decided: 1, changed: 1, notSimulatedCount: 1 })
  t.match(simulated.notSimulated, [{ reason: 'identity_erased', recorded: { revision: decided?.revision } }])
})

t.test('recorded decisions are only for a token that may see what they keep sealed', async (t) => {
  const { clinic, policy, access } = await registered('simulate-sealed')
  await policy.putRole({ requestId: randomUUID(), clinic, role: dentist({ condition: 'context.ward != "closed"' }) })
  await access.check({ ...readRecord(clinic, 'anna'), context: { ward: 'psychiatry' } })
  const blind = clientsOf(service, await service.token({ clinics: [clinic], scopes: ['policy.simulate'] }))
  /** Tells, guess by guess, what the entry keeps sealed. */
  const guess = { putRoles: [dentist({ condition: 'context.ward != "psychiatry"' })] }
  const before = await ledger.count(clinic)
  const refused = await caught(blind.policy.simulate({ clinic, proposed: guess, questions: { case: 'lastDecisions', value: 10 } }))
  t.match(refused, { reason: 'SCOPE_MISSING', metadata: { scope: 'audit.unseal' } })
  await waitFor('the refusal to be recorded', async () =>
    (await ledger.entries(clinic))
      .slice(before)
      .some(({ type, data }) => type === 'chartwarden.refusals.summarised.v1' && JSON.stringify(data).includes('SCOPE_MISSING')),
  )
  t.ok(
    (await ledger.entries(clinic)).slice(before).every(({ type }) => type !== 'chartwarden.trail.viewed.v1'),
    'nobody looked',
  )
  t.equal(
    (await blind.policy.simulate({ clinic, proposed: guess, questions: { case: 'check', value: readRecord(clinic, 'anna') } })).decided,
    1,
  )
  t.equal((await policy.simulate({ clinic, proposed: guess, questions: { case: 'lastDecisions', value: 10 } })).changed, 1)
})

t.test('what a caller stated in place of what is stored is decided on again, of another caller it is not', async (t) => {
  const { clinic, policy, access, directory } = await registered('simulate-override')
  const plain = clientsOf(service, await service.token({ clinics: [clinic], scopes: ['access.check'] }))
  const { resource, ...rest } = readRecord(clinic, 'anna')
  await directory.putResource({ requestId: randomUUID(), clinic, description: { resource, confidentiality: 'V' } })
  const lowered = () => ({ ...rest, requestId: randomUUID(), resource: { ...resource, properties: { confidentiality: 'N' } } })
  const overridden = await access.check(lowered())
  t.equal(overridden.decision, Decision.PERMIT)
  const added = await plain.access.check(lowered())
  t.equal(added.decision, Decision.DENY)
  const bare = await access.check({ ...rest, requestId: randomUUID(), resource })
  t.equal(bare.decision, Decision.DENY)
  const bySubject = await access.check({
    ...rest,
    requestId: randomUUID(),
    subject: { ...staff('anna'), properties: { level: 'senior' } },
    resource,
  })
  const recorded = await ledger.entries(clinic)
  t.same(
    [overridden, added, bare, bySubject].map(({ entry }) => recorded[Number(entry?.revision)]?.data.override),
    [true, undefined, undefined, true],
  )
  const simulated = await policy.simulate({
    clinic,
    proposed: { putRoles: [dentist({ purposes: ['HPAYMT'] })] },
    questions: { case: 'lastDecisions', value: 10 },
  })
  t.match(simulated, { decided: 4, changed: 1, notSimulatedCount: 0 })
  t.match(simulated.changes, [
    {
      recorded: { revision: overridden.entry?.revision },
      today: { decision: Decision.PERMIT },
      proposed: { decision: Decision.DENY, reasonCode: 'purpose_not_allowed' },
    },
  ])
})

t.test('a person needs the settings, and for recorded decisions the audit log too; either refusal is recorded', async (t) => {
  const clients = await registered('simulate-persons')
  const { clinic, policy } = clients
  await policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: { role: 'settler', title: 'S', permissions: [{ resourceType: 'clinic_settings', actions: ['update'], effect: Effect.PERMIT }] },
  })
  await hire(clients, clinic, 'settler', 'settler')
  const acting = clientsOf(service, await service.token({ clinics: [clinic], scopes: ['policy.simulate', 'audit.unseal', 'act'] }))
  const ask = (id: string, questions: NonNullable<MessageInitShape<typeof SimulateRequestSchema>['questions']>) =>
    acting.policy.simulate({ clinic, onBehalfOf: staff(id), proposed: { retireRoles: ['dentist'] }, questions })
  const one = { case: 'check', value: readRecord(clinic, 'anna') } as const
  const last = { case: 'lastDecisions', value: 5 } as const
  t.equal((await ask('settler', one)).decided, 1)
  const refusals = [await caught(ask('settler', last)), await caught(ask('anna', one))]
  t.same(
    refusals.map(({ reason, metadata }) => [reason, metadata.needs]),
    [
      ['NOT_PERMITTED', 'audit_log read'],
      ['NOT_PERMITTED', 'clinic_settings update'],
    ],
  )
  const recorded = (await ledger.entries(clinic)).filter(({ data }) => data.operation === 'simulate')
  t.same(
    recorded.map(({ data }) => [data.decision, data.resource_type]),
    [
      ['deny', 'audit_log'],
      ['deny', 'clinic_settings'],
    ],
  )
  t.ok((await ask('boss', last)).entry)
})
