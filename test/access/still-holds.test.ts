import t from 'tap'
import type { Change } from '../../services/access/administer/commands.ts'
import { type AdministrativeCommand, administer, stillHolds } from '../../services/access/administer.ts'
import type { AccessEvent } from '../../services/access/events.ts'
import { type ClinicFold, createClinicFold, lab, noon, patient, permission, role, staff } from '../support/clinic-fold.ts'

const ada = staff('ada')
const pat = patient('1')
const later = noon + 1_000

const run = (clinic: ClinicFold, command: AdministrativeCommand, now = noon): AccessEvent => {
  const outcome = administer(clinic.state, command, { scope: 'staff.write' }, now)
  if (outcome.kind !== 'change') throw new Error(`expected a change: ${JSON.stringify(outcome)}`)
  const first = clinic.events.length
  clinic.applyAll((outcome as Change).events, now)
  return clinic.events[first] as AccessEvent
}

const reader = role('reader', [permission('imaging', 'read')])

const conditional = [{ ...permission('imaging', 'read'), condition: 'subject.type == "staff"' }]

const settle = (ownRecord: string): AdministrativeCommand => ({
  kind: 'put_settings',
  settings: { own_record: ownRecord, open_resource_types: [], protect_every_type: false, consent_to_share: [] },
})

const opened = (): ClinicFold => {
  const clinic = createClinicFold()
  run(clinic, { kind: 'register_clinic', title: 'Praxis', timeZone: 'UTC', administrator: staff('root') })
  run(clinic, { kind: 'enrol_staff', subject: ada, memberOf: [lab('l')] })
  run(clinic, { kind: 'put_role', role: reader })
  return clinic
}

interface Case {
  readonly what: string
  readonly command: AdministrativeCommand
  /** What must have happened before. */
  readonly before?: readonly AdministrativeCommand[]
  /** After which it still holds. */
  readonly kept?: readonly AdministrativeCommand[]
  /** After which, in addition, it no longer does. */
  readonly undone?: readonly AdministrativeCommand[]
  /** It ends by itself at `later`. */
  readonly ends?: boolean
}

const offboard = { kind: 'offboard', subject: ada } as const
const reinstate = { kind: 'reinstate', subject: ada } as const
const grant = { kind: 'grant_role', subject: ada, role: 'reader' } as const
const revoke = { kind: 'revoke_role', subject: ada, role: 'reader' } as const
const join = { kind: 'put_care_team', patient: pat, subject: ada } as const
const leave = { kind: 'remove_care_team', patient: pat, subject: ada } as const
const share = {
  kind: 'share_record',
  recipient: ada,
  patient: pat,
  resourceTypes: ['imaging'],
  actions: ['read'],
  purpose: 'TREAT',
  until: later,
  supportedObligations: new Set<string>(),
} as const

const cases: readonly Case[] = [
  {
    what: 'an enrolment',
    command: { kind: 'enrol_staff', subject: staff('new'), memberOf: [] },
    undone: [{ kind: 'offboard', subject: staff('new') }],
  },
  {
    what: 'an enrolment whose memberships ended',
    command: { kind: 'enrol_staff', subject: staff('new'), memberOf: [lab('l')] },
    undone: [
      { kind: 'offboard', subject: staff('new') },
      { kind: 'reinstate', subject: staff('new') },
    ],
  },
  {
    what: 'an enrolment whose own patient changed',
    command: { kind: 'enrol_staff', subject: staff('new'), ownPatient: pat, memberOf: [] },
    kept: [{ kind: 'update_staff', subject: staff('new'), ownPatient: pat, memberOf: [] }],
    undone: [{ kind: 'update_staff', subject: staff('new'), memberOf: [] }],
  },
  {
    what: 'an update',
    command: { kind: 'update_staff', subject: ada, ownPatient: pat, memberOf: [lab('l')] },
    kept: [grant],
    undone: [{ kind: 'update_staff', subject: ada, ownPatient: patient('2'), memberOf: [lab('l')] }],
  },
  {
    what: 'an update of memberships',
    command: { kind: 'update_staff', subject: ada, memberOf: [] },
    undone: [{ kind: 'update_staff', subject: ada, memberOf: [lab('l')] }],
  },
  { what: 'an update of someone who left', command: { kind: 'update_staff', subject: ada, memberOf: [] }, undone: [offboard] },
  {
    what: 'a reinstatement whose memberships changed',
    command: { ...reinstate, memberOf: [lab('l')] },
    before: [offboard],
    undone: [{ kind: 'update_staff', subject: ada, memberOf: [] }],
  },
  { what: 'a grant', command: grant, kept: [grant], undone: [revoke] },
  { what: 'a grant with an end', command: { ...grant, until: later }, ends: true },
  { what: 'a grant of a role that is retired', command: grant, undone: [{ kind: 'retire_role', role: 'reader' }] },
  { what: 'a grant to someone who left and returned', command: grant, undone: [offboard, reinstate] },
  { what: 'a revocation', command: revoke, before: [grant], kept: [{ ...grant, role: 'administrator' }], undone: [grant] },
  {
    what: 'a role',
    command: { kind: 'put_role', role: role('new', []) },
    kept: [grant],
    undone: [{ kind: 'put_role', role: role('new', reader.permissions) }],
  },
  { what: 'a role that is retired', command: { kind: 'put_role', role: role('new', []) }, undone: [{ kind: 'retire_role', role: 'new' }] },
  { what: 'a retirement', command: { kind: 'retire_role', role: 'reader' }, undone: [{ kind: 'put_role', role: reader }] },
  {
    what: 'a role with a condition and a clearance',
    command: { kind: 'put_role', role: { ...role('new', conditional), clearance: { confidentiality: 'R', sensitivities: ['HIV'] } } },
    kept: [grant],
    undone: [{ kind: 'put_role', role: role('new', conditional) }],
  },
  {
    what: 'a role whose condition is another one now',
    command: { kind: 'put_role', role: role('new', conditional) },
    undone: [{ kind: 'put_role', role: role('new', [permission('imaging', 'read')]) }],
  },
  {
    what: 'what was settled',
    command: settle('read'),
    kept: [grant, settle('read')],
    undone: [settle('deny')],
  },
  { what: 'an offboarding', command: offboard, undone: [reinstate] },
  { what: 'a reinstatement', command: reinstate, before: [offboard], kept: [grant], undone: [offboard] },
  { what: 'a membership', command: join, kept: [join], undone: [leave] },
  { what: 'a membership with an end', command: { ...join, until: later }, ends: true },
  { what: 'a membership of another period', command: join, undone: [{ ...join, until: later }] },
  { what: 'a removal', command: leave, before: [join], undone: [join] },
  { what: 'a share', command: share, ends: true },
  { what: 'a share with someone who left', command: share, undone: [offboard], ends: true },
]

for (const { what, command, before = [], kept = [], undone = [], ends = false } of cases) {
  t.test(`${what} holds until it is undone`, async (t) => {
    const clinic = opened()
    for (const earlier of before) run(clinic, earlier)
    const original = run(clinic, command)
    t.equal(stillHolds(clinic.state, command, original, noon), true)
    t.equal(stillHolds(clinic.state, command, original, later), !ends)
    for (const change of kept) run(clinic, change)
    t.equal(stillHolds(clinic.state, command, original, noon), true)
    for (const change of undone) run(clinic, change)
    t.equal(stillHolds(clinic.state, command, original, noon), undone.length === 0)
  })
}

t.test('a single grant stays revoked when the role is granted anew', async (t) => {
  const clinic = opened()
  const command = { kind: 'revoke_role', subject: ada, grantId: run(clinic, grant).id } as const
  const original = run(clinic, command)
  run(clinic, grant)
  t.equal(stillHolds(clinic.state, command, original, noon), true)
})

t.test('an end of a share holds for ever, as does a registration', async (t) => {
  const clinic = opened()
  const command = { kind: 'end_share', shareId: run(clinic, share).id } as const
  const original = run(clinic, command)
  run(clinic, share)
  t.equal(stillHolds(clinic.state, command, original, noon), true)
  const registration = { kind: 'register_clinic', title: 'Praxis', timeZone: 'UTC', administrator: staff('root') } as const
  t.equal(stillHolds(clinic.state, registration, clinic.events[0] as AccessEvent, noon), true)
  t.equal(stillHolds(createClinicFold().state, registration, clinic.events[0] as AccessEvent, noon), false)
})

t.test('a recorded refusal is answered again, and nothing else is', async (t) => {
  const clinic = opened()
  const event = (type: string, data: object) =>
    ({ type, data, id: 'x', revision: 9n, time: noon, caller: 'tests' }) as unknown as AccessEvent
  t.equal(stillHolds(clinic.state, grant, event('chartwarden.access.decided.v1', { decision: 'deny' }), noon), true)
  t.equal(stillHolds(clinic.state, grant, event('chartwarden.access.decided.v1', { decision: 'permit' }), noon), false)
  t.equal(stillHolds(clinic.state, grant, event('chartwarden.trail.viewed.v1', {}), noon), false)
})
