/** What emergency access reaches is what the clinic named, over gRPC, and what no clinic can name. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { accessOverGrpc } from '../support/access-over-grpc.ts'
import { caught } from '../support/caught.ts'
import { hire, registerTestClinic, staff } from '../support/clinic.ts'

const clinic = 'north'
const common = () => ({ requestId: randomUUID(), clinic })
const permit = (resourceType: string, ...actions: string[]) => ({ resourceType, actions, effect: Effect.PERMIT })
const limited = (resourceType: string, action: string, kind: string, purposes: string[] = []) => ({
  resourceType,
  actions: [action],
  effect: Effect.LIMITED,
  bounds: [{ kind, codes: ['x'] }],
  purposes,
})

const aClinic = async (t: Test) => {
  const house = await accessOverGrpc(t)
  const own = house.clients(clinic)
  await registerTestClinic(own, clinic)
  const roles = {
    doctor: [
      permit('emergency_access', 'open'),
      permit('clinical_note', 'print', 'download'),
      limited('medical_history', 'read', 'fields'),
      limited('clinical_note', 'update', 'addendum_only', ['TREAT']),
    ],
    office: [permit('payroll', 'read'), permit('admin/super', 'view'), permit('patients/med', 'view', 'write')],
    root: [permit('*', '*')],
  }
  for (const [role, permissions] of Object.entries(roles)) {
    await own.policy.putRole({ ...common(), role: { role, title: role, permissions } })
  }
  await hire(own, clinic, 'anna', 'doctor')
  await own.emergencies.open({ ...common(), subject: staff('anna'), patientId: 'p-1', reason: 'Unconscious in the waiting room' })
  const question = (type: string, action: string, supportedObligations: string[] = []) => ({
    ...common(),
    subject: staff('anna'),
    action: { name: action },
    resource: { type, id: 'r-1', patientId: 'p-1' },
    purpose: 'BTG',
    supportedObligations,
  })
  const ask = async (...asked: Parameters<typeof question>) => {
    const { reasonCode, rule, obligations } = await own.access.check(question(...asked))
    return [reasonCode, ...(rule.startsWith('role/') ? [rule] : []), ...obligations.map(({ type }) => type)].join(' ')
  }
  const settle = (emergency: object) => own.policy.putSettings({ ...common(), settings: { emergency } })
  return { ...house, own, question, ask, settle }
}

t.test("types and actions of the clinic's own are out of reach until it names them, and nothing else is in reach then", async (t) => {
  const { own, ask, settle } = await aClinic(t)
  t.equal(await ask('lab_report', 'read'), 'emergency_access', 'a type that comes with the defaults')
  for (const [type, action] of [
    ['payroll', 'read'],
    ['admin/super', 'view'],
    ['patients/med', 'view'],
    ['database', 'read'],
    ['audit_log', 'read'],
    ['patient_export', 'read'],
    ['lab_report', 'view'],
  ] as const) {
    t.equal(await ask(type, action), 'no_grant', `${type} ${action}`)
  }
  await settle({ resourceTypes: ['patients/med'], readActions: ['view'], writeActions: ['write'] })
  t.equal(await ask('patients/med', 'view'), 'emergency_access')
  t.equal(await ask('patients/med', 'write'), 'no_grant', 'no role of hers writes there')
  for (const [type, action] of [
    ['admin/super', 'view'],
    ['payroll', 'read'],
    ['lab_report', 'read'],
    ['patients/med', 'read'],
  ] as const) {
    t.equal(await ask(type, action), 'no_grant', `${type} ${action}`)
  }
  t.match((await own.policy.getSettings({ clinic })).settings?.emergency, {
    resourceTypes: ['patients/med'],
    readActions: ['view'],
    writeActions: ['write'],
    maxMinutes: 240,
  })
})

t.test('no clinic can name administration, evidence or what leaves the clinic', async (t) => {
  const { settle, ask } = await aClinic(t)
  for (const [field, name, path] of [
    ['resourceTypes', 'audit_log', 'resource_types'],
    ['resourceTypes', 'patient_export', 'resource_types'],
    ['resourceTypes', '*', 'resource_types'],
    ['readActions', 'export', 'read_actions'],
    ['writeActions', 'share', 'write_actions'],
  ] as const) {
    const refused = await caught(settle({ [field]: [name] }))
    t.match(refused, { reason: 'INVALID_ARGUMENT', fields: [{ field: `settings.emergency.${path}[0]` }] }, name)
  }
  t.equal(await ask('lab_report', 'read'), 'emergency_access', 'nothing changed')
})

t.test('a caller that carries out fewer duties is shown no more', async (t) => {
  const { ask, settle } = await aClinic(t)
  for (const supported of [[], ['fields']]) t.equal(await ask('medical_history', 'read', supported), 'emergency_access', `${supported}`)
  await settle({ overrides: ['consent', 'confidentiality'] })
  t.equal(await ask('medical_history', 'read', ['fields']), 'role_permits role/doctor#medical_history.read fields')
  t.equal(await ask('medical_history', 'read'), 'obligation_unsupported role/doctor#medical_history.read')
})

t.test('a write whose duty alone is missing says so, and explain names the duty', async (t) => {
  const { own, ask, question } = await aClinic(t)
  t.equal(await ask('clinical_note', 'update', ['addendum_only']), 'emergency_access addendum_only')
  t.equal(await ask('clinical_note', 'update'), 'obligation_unsupported role/doctor#clinical_note.update')
  t.equal(await ask('clinical_note', 'create'), 'no_grant')
  const { rules, needed } = await own.access.explain({ clinic, check: question('clinical_note', 'update') })
  t.match(rules.find(({ step }) => step === 'emergency')?.detail, /duties.*addendum_only/)
  t.match(needed.join('\n'), /addendum_only/)
})

t.test('a download or a print is opened by no emergency unless the clinic says so', async (t) => {
  const { own, ask, settle } = await aClinic(t)
  await own.directory.putResource({
    ...common(),
    description: { resource: { type: 'clinical_note', id: 'r-1', patientId: 'p-1' }, confidentiality: 'R' },
  })
  for (const action of ['print', 'download']) t.equal(await ask('clinical_note', action), 'confidentiality', action)
  await settle({ writeActions: ['print'] })
  t.equal(await ask('clinical_note', 'print'), 'emergency_access')
  t.equal(await ask('clinical_note', 'download'), 'confidentiality')
})
