import { createHash } from 'node:crypto'
import t from 'tap'
import type { Change, CommandError, Refusal } from '../../services/access/administer/commands.ts'
import { type Actor, type AdministrativeCommand, administer } from '../../services/access/administer.ts'
import { decide } from '../../services/access/decide.ts'
import type { SubjectReference } from '../../services/access/events.ts'
import type { ErrorReason } from '../../services/kernel/errors.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import {
  at,
  type ClinicFold,
  createClinicFold,
  lab,
  noon,
  patient,
  permission,
  question,
  record,
  role,
  staff,
} from '../support/clinic-fold.ts'

const root = staff('root')
const ada = staff('ada')
const ben = staff('ben')
const pat = patient('1')
const minute = 60_000

const software = (scope: Scope = 'staff.write'): Actor => ({ scope })
const person = (subject: SubjectReference, scope: Scope = 'staff.write'): Actor => ({ scope, subject })

/** A registered clinic with Root as its administrator. */
const registered = (): ClinicFold => {
  const clinic = createClinicFold()
  const command = { kind: 'register_clinic', title: 'Praxis', timeZone: 'Europe/Berlin', administrator: root } as const
  clinic.applyAll((administer(clinic.state, command, software('clinic.register'), noon) as Change).events)
  return clinic
}

/** Carries a command out and folds what it changes. */
const run = (clinic: ClinicFold, command: AdministrativeCommand, actor: Actor = software(), now = noon): Change => {
  const outcome = administer(clinic.state, command, actor, now)
  if (outcome.kind !== 'change') throw new Error(`expected a change: ${JSON.stringify(outcome)}`)
  clinic.applyAll(outcome.events, now)
  return outcome
}

const dataOf = (change: Change): Record<string, unknown> => change.events[0]?.data as unknown as Record<string, unknown>

const withPeople = (): ClinicFold => {
  const clinic = registered()
  for (const subject of [ada, ben]) run(clinic, { kind: 'enrol_staff', subject, memberOf: [] })
  run(clinic, { kind: 'put_role', role: role('reader', [permission('imaging', 'read')]) })
  return clinic
}

t.test('registration opens the clinic with an administrator who may administer and nothing clinical', async (t) => {
  const clinic = createClinicFold()
  const command = { kind: 'register_clinic', title: 'Praxis', timeZone: 'Europe/Berlin', administrator: root } as const
  const outcome = administer(clinic.state, command, software('clinic.register'), noon) as Change
  t.same(
    outcome.events.map(({ type }) => type),
    ['chartwarden.clinic.registered.v1', 'chartwarden.staff.enrolled.v1', 'chartwarden.role.defined.v2', 'chartwarden.role.granted.v1'],
  )
  t.match(outcome.events[3]?.data, { actor: { rule: 'scope/clinic.register' }, subject: root, role: 'administrator', flags: { length: 0 } })
  clinic.applyAll(outcome.events)
  const ask = (type: string, action: string) => decide(clinic.state, question(root, type, action, { purpose: 'HSYSADMIN' }), noon)
  for (const [type, action] of [
    ['staff_account', 'update'],
    ['clinic_settings', 'update'],
    ['care_team', 'update'],
    ['audit_log', 'read'],
    ['emergency_access', 'review'],
    ['directory', 'update'],
  ] as const) {
    t.match(ask(type, action), { decision: 'permit', rule: `role/administrator#${type}.${action}` })
  }
  for (const [type, action] of [
    ['imaging', 'read'],
    ['consent', 'read'],
    ['consent', 'update'],
    ['emergency_access', 'open'],
    ['patient_export', 'export'],
  ] as const) {
    t.equal(ask(type, action).decision, 'deny', `${type} ${action}`)
  }
  t.same(administer(clinic.state, command, software('clinic.register'), noon), { kind: 'error', reason: 'CLINIC_EXISTS' })
})

t.test('a registration with a bad title or time zone is refused', async (t) => {
  const fieldsOf = (title: string, timeZone: string) => {
    const outcome = administer(
      createClinicFold().state,
      { kind: 'register_clinic', title, timeZone, administrator: root },
      software(),
      noon,
    )
    return outcome.kind === 'error' ? outcome.fields?.map(({ field }) => field) : outcome.kind
  }
  t.same(fieldsOf('Praxis', 'UTC'), 'change')
  t.same(fieldsOf('', 'Europe/Berlin'), ['title'])
  t.same(fieldsOf('x'.repeat(201), 'Europe/Berlin'), ['title'])
  t.same(fieldsOf('\ud800', 'Europe/Berlin'), ['title'])
  for (const zone of ['', 'CET', 'US/Pacific-New', 'Europe/Atlantis', '+01:00', 'Berlin', '../etc'])
    t.same(fieldsOf('Praxis', zone), ['time_zone'], zone)
})

t.test('nothing can be changed in a clinic that is not registered', async (t) => {
  const outcome = administer(createClinicFold().state, { kind: 'enrol_staff', subject: ada, memberOf: [] }, software(), noon)
  t.same(outcome, { kind: 'error', reason: 'CLINIC_NOT_ALLOWED' })
})

const everyCommand: readonly (readonly [AdministrativeCommand, string, string])[] = [
  [{ kind: 'enrol_staff', subject: staff('new'), memberOf: [] }, 'staff_account', 'update'],
  [{ kind: 'grant_role', subject: ada, role: 'reader' }, 'staff_account', 'update'],
  [{ kind: 'revoke_role', subject: ada, role: 'reader' }, 'staff_account', 'update'],
  [{ kind: 'offboard', subject: ada }, 'staff_account', 'update'],
  [{ kind: 'reinstate', subject: ada }, 'staff_account', 'update'],
  [{ kind: 'put_role', role: role('new', []) }, 'clinic_settings', 'update'],
  [{ kind: 'retire_role', role: 'reader' }, 'clinic_settings', 'update'],
  [{ kind: 'put_care_team', patient: pat, subject: ada }, 'care_team', 'update'],
  [{ kind: 'remove_care_team', patient: pat, subject: ada }, 'care_team', 'update'],
]

t.test('a person named is decided against the own roles, before anything else about the command', async (t) => {
  const clinic = withPeople()
  run(clinic, { kind: 'grant_role', subject: ben, role: 'reader' })
  for (const [command, resourceType, action] of everyCommand) {
    const outcome = administer(clinic.state, command, person(ben), noon)
    t.match(
      outcome,
      { kind: 'refused', resourceType, action, decision: { decision: 'deny', reasonCode: 'no_grant', roles: ['reader'] } },
      command.kind,
    )
    t.not(administer(clinic.state, command, person(root), noon).kind, 'refused', `${command.kind} as the administrator`)
    t.not(administer(clinic.state, command, software(), noon).kind, 'refused', `${command.kind} as the software itself`)
    run(clinic, { kind: 'put_role', role: role('only_this', [permission(resourceType, action)]) })
    clinic.grant(ada, 'only_this')
    t.not(administer(clinic.state, command, person(ada), noon).kind, 'refused', `${command.kind} with just that right`)
  }
  t.match(administer(clinic.state, { kind: 'offboard', subject: ada }, person(staff('nobody')), noon), {
    kind: 'refused',
    decision: { reasonCode: 'unknown_subject' },
  })
})

t.test('who decided is recorded: the scope of the software, or the person and the rule', async (t) => {
  const clinic = withPeople()
  const command = { kind: 'put_care_team', patient: pat, subject: ada } as const
  t.same(dataOf(run(clinic, command, software('relationship.write'))), {
    actor: { rule: 'scope/relationship.write' },
    patient: pat,
    subject: ada,
  })
  t.match(dataOf(run(clinic, command, person(root, 'relationship.write'))), {
    actor: { subject: root, rule: 'role/administrator#care_team.update' },
  })
})

t.test('a change rests on the grant of the person and ends with it', async (t) => {
  const clinic = withPeople()
  clinic.grant(ada, 'administrator', { until: noon + 5 })
  const command = { kind: 'grant_role', subject: ben, role: 'reader' } as const
  t.equal(run(clinic, command, person(ada)).notAfter, noon + 5)
  t.equal(run(clinic, { ...command, until: noon + 3 }, person(ada)).notAfter, noon + 3)
  t.equal(run(clinic, { ...command, until: noon + 9 }).notAfter, noon + 9)
  t.equal(run(clinic, command).notAfter, undefined)
  t.equal(administer(clinic.state, command, person(ada), noon + 5).kind, 'refused')
})

t.test('a person with a cut-off needs the own sign-in to administer', async (t) => {
  const clinic = withPeople()
  run(clinic, { kind: 'offboard', subject: ada })
  run(clinic, { kind: 'reinstate', subject: ada })
  clinic.grant(ada, 'administrator')
  const command = { kind: 'grant_role', subject: ben, role: 'reader' } as const
  t.match(administer(clinic.state, command, person(ada), noon + minute), { kind: 'refused', decision: { reasonCode: 'session_required' } })
  const signedIn = { ...person(ada), session: { issuedAt: noon + 1 } }
  t.equal(administer(clinic.state, command, signedIn, noon + minute).kind, 'change')
})

const refusals: readonly (readonly [string, AdministrativeCommand, ErrorReason])[] = [
  ['enrolling someone known', { kind: 'enrol_staff', subject: ada, memberOf: [] }, 'SUBJECT_EXISTS'],
  ['enrolling a former person', { kind: 'enrol_staff', subject: staff('gone'), memberOf: [] }, 'SUBJECT_FORMER'],
  ['enrolling someone barred unknown', { kind: 'enrol_staff', subject: staff('barred'), memberOf: [] }, 'SUBJECT_FORMER'],
  ['granting to an unknown person', { kind: 'grant_role', subject: staff('nobody'), role: 'reader' }, 'SUBJECT_UNKNOWN'],
  ['granting to a former person', { kind: 'grant_role', subject: staff('gone'), role: 'reader' }, 'SUBJECT_FORMER'],
  ['granting an unknown role', { kind: 'grant_role', subject: ada, role: 'nonesuch' }, 'ROLE_UNKNOWN'],
  ['granting a retired role', { kind: 'grant_role', subject: ada, role: 'retired' }, 'ROLE_UNKNOWN'],
  ['revoking from an unknown person', { kind: 'revoke_role', subject: staff('nobody'), role: 'reader' }, 'SUBJECT_UNKNOWN'],
  ['revoking what is not granted', { kind: 'revoke_role', subject: ben, role: 'reader' }, 'GRANT_UNKNOWN'],
  ['revoking a grant that is over', { kind: 'revoke_role', subject: ada, role: 'reader' }, 'GRANT_UNKNOWN'],
  ['revoking an unknown grant', { kind: 'revoke_role', subject: ada, grantId: 'nonesuch' }, 'GRANT_UNKNOWN'],
  ['offboarding in the future', { kind: 'offboard', subject: ada, effective: noon + 60_001 }, 'FUTURE_EFFECTIVE'],
  ['reinstating an unknown person', { kind: 'reinstate', subject: staff('nobody') }, 'SUBJECT_UNKNOWN'],
  ['reinstating someone employed', { kind: 'reinstate', subject: ada }, 'SUBJECT_NOT_FORMER'],
  ['changing the reserved role', { kind: 'put_role', role: role('administrator', []) }, 'ROLE_RESERVED'],
  ['retiring the reserved role', { kind: 'retire_role', role: 'administrator' }, 'ROLE_RESERVED'],
  ['retiring an unknown role', { kind: 'retire_role', role: 'nonesuch' }, 'ROLE_UNKNOWN'],
  ['inheriting from itself', { kind: 'put_role', role: role('reader', [], ['reader']) }, 'ROLE_CYCLE'],
  ['inheriting from itself by way of another', { kind: 'put_role', role: role('reader', [], ['heir']) }, 'ROLE_CYCLE'],
  ['inheriting from itself, once retired', { kind: 'put_role', role: role('retired', [], ['orphan']) }, 'ROLE_CYCLE'],
  ['putting an unknown person on a care team', { kind: 'put_care_team', patient: pat, subject: staff('nobody') }, 'SUBJECT_UNKNOWN'],
  ['putting a former person on a care team', { kind: 'put_care_team', patient: pat, subject: staff('gone') }, 'SUBJECT_FORMER'],
  ['taking off someone who is not on it', { kind: 'remove_care_team', patient: pat, subject: ada }, 'CARE_TEAM_UNKNOWN'],
  ['taking off someone whose time is over', { kind: 'remove_care_team', patient: patient('2'), subject: ada }, 'CARE_TEAM_UNKNOWN'],
  ['ending an unknown share', { kind: 'end_share', shareId: 'nonesuch' }, 'SHARE_UNKNOWN'],
]

t.test('what cannot be done is an error with its reason, and changes nothing', async (t) => {
  const clinic = withPeople()
  run(clinic, { kind: 'enrol_staff', subject: staff('gone'), memberOf: [] })
  run(clinic, { kind: 'offboard', subject: staff('gone') })
  run(clinic, { kind: 'offboard', subject: staff('barred') })
  run(clinic, { kind: 'put_role', role: role('retired', []) })
  run(clinic, { kind: 'put_role', role: role('heir', [], ['reader']) })
  run(clinic, { kind: 'put_role', role: role('orphan', [], ['retired']) })
  run(clinic, { kind: 'retire_role', role: 'retired' })
  clinic.grant(ada, 'reader', { until: noon })
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: patient('2'), until: at(noon) })
  const before = clinic.state.revision
  for (const [what, command, reason] of refusals) {
    t.same(administer(clinic.state, command, software(), noon), { kind: 'error', reason }, what)
  }
  t.equal(clinic.state.revision, before)
})

const malformedCommands: readonly (readonly [string, AdministrativeCommand, string])[] = [
  ['a grant that ends before it begins', { kind: 'grant_role', subject: ada, role: 'reader', from: noon + 9, until: noon + 9 }, 'until'],
  ['a grant that is over', { kind: 'grant_role', subject: ada, role: 'reader', until: noon }, 'until'],
  ['a grant beyond the calendar', { kind: 'grant_role', subject: ada, role: 'reader', until: 1e18 }, 'until'],
  ['a grant from no time', { kind: 'grant_role', subject: ada, role: 'reader', from: Number.NaN }, 'from'],
  ['a membership that is over', { kind: 'put_care_team', patient: pat, subject: ada, until: noon }, 'until'],
  ['a revocation of nothing in particular', { kind: 'revoke_role', subject: ada }, 'role'],
  ['an offboarding before the calendar', { kind: 'offboard', subject: ada, effective: -1e18 }, 'effective'],
  ['a person who is an own organisation', { kind: 'enrol_staff', subject: staff('new'), memberOf: [staff('new')] }, 'member_of'],
  ['the same organisation twice', { kind: 'enrol_staff', subject: staff('new'), memberOf: [lab('l'), lab('l')] }, 'member_of'],
  [
    'too many organisations',
    { kind: 'enrol_staff', subject: staff('new'), memberOf: Array.from({ length: 65 }, (_, n) => lab(`${n}`)) },
    'member_of',
  ],
  ['a returner who is an own organisation', { kind: 'reinstate', subject: ada, memberOf: [ada] }, 'member_of'],
  ['a role without a title', { kind: 'put_role', role: { ...role('new', []), title: '' } }, 'role.title'],
  ['a role that inherits an unknown one', { kind: 'put_role', role: role('new', [], ['nonesuch']) }, 'role.inherits[0]'],
]

t.test('a malformed command names its field, whoever asks', async (t) => {
  const clinic = withPeople()
  for (const [what, command, field] of malformedCommands) {
    const outcome = administer(clinic.state, command, person(root), noon) as CommandError
    t.match(outcome, { kind: 'error', reason: 'INVALID_ARGUMENT', fields: [{ field }] }, what)
    t.equal(outcome.fields?.length, 1, `${what}: nothing else`)
  }
  const [, command] = malformedCommands[1] as (typeof malformedCommands)[number]
  t.equal(administer(clinic.state, command, person(ben), noon).kind, 'error', 'before the person is decided on')
})

t.test('a grant is given for its period', async (t) => {
  const clinic = withPeople()
  const change = run(clinic, { kind: 'grant_role', subject: ada, role: 'reader', from: noon + 1, until: noon + 2 }, person(root))
  t.same(dataOf(change), {
    actor: { subject: root, rule: 'role/administrator#staff_account.update' },
    subject: ada,
    role: 'reader',
    from: '2026-11-23T12:00:00.001Z',
    until: '2026-11-23T12:00:00.002Z',
    flags: [],
  })
})

t.test('granting to oneself is for the only administrator, and flagged', async (t) => {
  const clinic = withPeople()
  const command = { kind: 'grant_role', subject: root, role: 'reader' } as const
  t.same(dataOf(run(clinic, command, person(root)))['flags'], ['self_granted'])
  clinic.grant(ben, 'administrator', { from: noon + minute, until: noon + 2 * minute })
  t.equal(administer(clinic.state, command, person(root), noon).kind, 'change', 'another is to come')
  t.same(administer(clinic.state, command, person(root), noon + minute), { kind: 'error', reason: 'SELF_GRANT' })
  t.equal(administer(clinic.state, command, person(root), noon + 2 * minute).kind, 'change', 'the other was')
  t.equal(administer(clinic.state, command, software(), noon + minute).kind, 'change', 'the software grants to nobody it is')
  run(clinic, { kind: 'put_role', role: role('office', [permission('staff_account', 'update')]) })
  clinic.grant(ada, 'office')
  t.match(administer(clinic.state, command, person(root), noon), { reason: 'SELF_GRANT' }, 'by another role just as well')
  run(clinic, { kind: 'offboard', subject: ada })
  t.equal(administer(clinic.state, command, person(root), noon).kind, 'change', 'the other left')
  run(clinic, { kind: 'reinstate', subject: ada })
  clinic.grant(ada, 'office')
  t.match(administer(clinic.state, command, person(root), noon), { reason: 'SELF_GRANT' }, 'who came back could sign in anew')
})

t.test('revoking ends one grant or every grant of the role, in force or to come', async (t) => {
  const clinic = withPeople()
  clinic.grant(ada, 'reader', { until: noon })
  const inForce = clinic.grant(ada, 'reader')
  const toCome = clinic.grant(ada, 'reader', { from: noon + minute })
  const other = clinic.grant(ada, 'administrator')
  const single = administer(clinic.state, { kind: 'revoke_role', subject: ada, grantId: toCome }, software(), noon) as Change
  t.match(dataOf(single), { subject: ada, role: 'reader', grant_ids: [toCome] })
  t.match(administer(clinic.state, { kind: 'revoke_role', subject: ada, role: 'administrator', grantId: toCome }, software(), noon), {
    reason: 'GRANT_UNKNOWN',
  })
  t.match(administer(clinic.state, { kind: 'revoke_role', subject: ben, grantId: toCome }, software(), noon), { reason: 'GRANT_UNKNOWN' })
  t.same(dataOf(run(clinic, { kind: 'revoke_role', subject: ada, role: 'reader' }))['grant_ids'], [inForce, toCome].sort())
  t.same(decide(clinic.state, question(ada, 'imaging', 'read'), noon).roles, ['administrator'])
  t.ok(clinic.state.grants.byId.has(other))
})

t.test('the last administrator can lose the role and can leave; the software can still grant it', async (t) => {
  const clinic = withPeople()
  run(clinic, { kind: 'revoke_role', subject: root, role: 'administrator' }, person(root))
  t.equal(administer(clinic.state, { kind: 'offboard', subject: ada }, person(root), noon).kind, 'refused')
  run(clinic, { kind: 'grant_role', subject: ada, role: 'administrator' })
  run(clinic, { kind: 'offboard', subject: ada }, person(ada))
  t.equal(administer(clinic.state, { kind: 'grant_role', subject: ben, role: 'administrator' }, software(), noon).kind, 'change')
})

t.test('offboarding counts and names what it ends', async (t) => {
  const clinic = withPeople()
  const grants = [clinic.grant(ada, 'reader'), clinic.grant(ada, 'reader', { from: noon + minute })]
  clinic.grant(ada, 'reader', { until: noon })
  const share = { recipient: ada, patient: pat, resource_types: ['imaging'], actions: ['read'], purpose: 'TREAT' }
  const shares = [clinic.apply('chartwarden.record.shared.v1', { ...share, until: at(noon + 1) })]
  clinic.apply('chartwarden.record.shared.v1', { ...share, until: at(noon) })
  clinic.apply('chartwarden.record.shared.v1', { ...share, recipient: ben, until: at(noon + 1) })
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat })
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: patient('2'), until: at(noon) })
  const emergency = { subject: ada, patient: pat, purpose: 'BTG', review_due: at(noon + 9) } as const
  const emergencies = [1, 2].map((end) => clinic.apply('chartwarden.emergency.opened.v1', { ...emergency, until: at(noon + end) }))
  clinic.apply('chartwarden.emergency.opened.v1', { ...emergency, until: at(noon) })
  clinic.apply('chartwarden.emergency.opened.v1', { ...emergency, subject: ben, until: at(noon + 1) })
  const data = dataOf(run(clinic, { kind: 'offboard', subject: ada, effective: noon - minute }, person(root, 'staff.offboard')))
  const ids = [...grants, ...shares, `careteam/${pat}/${ada.pseudonym}`, ...emergencies].sort()
  const digest = createHash('sha256').update(JSON.stringify(ids)).digest('base64url')
  t.same(data, {
    actor: { subject: root, rule: 'role/administrator#staff_account.update' },
    subject: ada,
    effective: at(noon - minute),
    unknown_subject: false,
    ended: { grants: 2, shares: 1, relationships: 1, emergencies: 2, digest },
  })
  t.equal(clinic.state.subjects.get(ada.pseudonym)?.cutOff, noon, 'the cut-off is the entry, not the past time named')
  t.equal(clinic.state.careTeams.has(ada.pseudonym), false)
  t.equal(clinic.state.shares.byId.size, 1, 'what others received stays')
})

t.test('an offboarding may name this very moment', async (t) => {
  const clinic = withPeople()
  t.equal(dataOf(run(clinic, { kind: 'offboard', subject: ada, effective: noon }))['effective'], at(noon))
})

t.test('offboarding is idempotent: asked anew the entry that ended it is the answer', async (t) => {
  const clinic = withPeople()
  run(clinic, { kind: 'offboard', subject: ada })
  const { offboarding, cutOff } = clinic.state.subjects.get(ada.pseudonym) ?? {}
  const again = administer(clinic.state, { kind: 'offboard', subject: ada }, software(), noon + minute)
  t.same(again, { kind: 'standing', entryId: offboarding })
  t.equal(clinic.state.subjects.get(ada.pseudonym)?.cutOff, cutOff)
  run(clinic, { kind: 'reinstate', subject: ada })
  t.equal(run(clinic, { kind: 'offboard', subject: ada }, software(), noon + 2 * minute).kind, 'change', 'a new employment ends anew')
})

t.test('an unknown person is barred and stays reported as unknown', async (t) => {
  const clinic = withPeople()
  const typo = staff('aad')
  t.equal(dataOf(run(clinic, { kind: 'offboard', subject: typo }))['unknown_subject'], true)
  t.equal(decide(clinic.state, question(typo, 'imaging', 'read'), noon).reasonCode, 'offboarded')
  run(clinic, { kind: 'reinstate', subject: typo })
  t.equal(dataOf(run(clinic, { kind: 'offboard', subject: typo }))['unknown_subject'], false, 'known once reinstated')
})

t.test('an organisation is known by what was shared with it, or by its people', async (t) => {
  const clinic = withPeople()
  const until = at(noon + minute)
  clinic.apply('chartwarden.record.shared.v1', {
    recipient: lab('a'),
    patient: pat,
    resource_types: ['x'],
    actions: ['read'],
    purpose: 'TREAT',
    until,
  })
  clinic.enrol(staff('technician'), [lab('b')])
  t.match(dataOf(run(clinic, { kind: 'offboard', subject: lab('a') })), { unknown_subject: false, ended: { shares: 1 } })
  t.match(dataOf(run(clinic, { kind: 'offboard', subject: lab('b') })), { unknown_subject: false, ended: { shares: 0 } })
  t.match(dataOf(run(clinic, { kind: 'offboard', subject: lab('c') })), { unknown_subject: true })
})

t.test('an organisation is known by what was shared with it once, whatever became of that', async (t) => {
  const clinic = withPeople()
  const shared = (recipient: SubjectReference, until: number) =>
    clinic.apply('chartwarden.record.shared.v1', {
      recipient,
      patient: pat,
      resource_types: ['x'],
      actions: ['read'],
      purpose: 'TREAT',
      until: at(until),
    })
  clinic.apply('chartwarden.share.ended.v1', { share_id: shared(lab('ended'), noon + minute) })
  const expired = shared(lab('expired'), noon - minute)
  clinic.apply('chartwarden.share.expired.v1', { share_id: expired, recipient: lab('expired'), patient: pat, until: at(noon - minute) })
  for (const known of ['ended', 'expired']) {
    const data = dataOf(run(clinic, { kind: 'offboard', subject: lab(known) }))
    t.match(data, { unknown_subject: false, ended: { shares: 0 } }, known)
    t.notOk('emergencies' in (data['ended'] as object), 'none is not counted')
  }
})

t.test('an update replaces what enrolment said, of somebody who is there', async (t) => {
  const clinic = withPeople()
  run(clinic, { kind: 'enrol_staff', subject: staff('cleo'), ownPatient: patient('cleo'), memberOf: [lab('old')] })
  const update = { kind: 'update_staff', subject: staff('cleo'), ownPatient: pat, memberOf: [lab('new')] } as const
  t.same(dataOf(run(clinic, update, person(root))), {
    actor: { subject: root, rule: 'role/administrator#staff_account.update' },
    subject: staff('cleo'),
    own_patient: pat,
    member_of: [lab('new')],
  })
  const { subjects, employeePatients } = clinic.state
  t.match(subjects.get(staff('cleo').pseudonym), { status: 'active', known: true, ownPatient: pat, memberOf: [lab('new')] })
  t.same([...employeePatients], [pat])
  t.equal(subjects.get(staff('cleo').pseudonym)?.memberOf.length, 1)
  t.same(dataOf(run(clinic, { kind: 'update_staff', subject: staff('cleo'), memberOf: [] })), {
    actor: { rule: 'scope/staff.write' },
    subject: staff('cleo'),
    member_of: [],
  })
  t.same([...employeePatients], [])
  const reasonOf = (command: AdministrativeCommand, actor = software()) => {
    const outcome = administer(clinic.state, command, actor, noon)
    return outcome.kind === 'error' ? outcome.reason : outcome.kind
  }
  t.equal(reasonOf({ ...update, subject: staff('nobody') }), 'SUBJECT_UNKNOWN')
  t.equal(reasonOf({ ...update, memberOf: [staff('cleo')] }), 'INVALID_ARGUMENT')
  t.equal(reasonOf({ ...update, memberOf: [lab('l'), lab('l')] }), 'INVALID_ARGUMENT')
  t.equal(reasonOf(update, person(ada)), 'refused')
  run(clinic, { kind: 'offboard', subject: staff('cleo') })
  t.equal(reasonOf(update), 'SUBJECT_FORMER')
})

t.test('one person holds at most 200 grants in force or to come', async (t) => {
  const clinic = withPeople()
  const grant = { kind: 'grant_role', subject: ada, role: 'reader' } as const
  clinic.grant(ada, 'reader', { until: noon })
  clinic.grant(ada, 'reader', { from: noon + minute })
  for (let held = 1; held < 200; held += 1) run(clinic, grant)
  t.match(administer(clinic.state, grant, software(), noon), { kind: 'error', reason: 'TOO_MANY_GRANTS' })
  t.equal(administer(clinic.state, { ...grant, subject: ben }, software(), noon).kind, 'change', 'another person')
  const [first] = clinic.state.grants.bySubject.get(ada.pseudonym)?.slice(1) ?? []
  run(clinic, { kind: 'revoke_role', subject: ada, grantId: first?.id ?? '' })
  t.equal(administer(clinic.state, grant, software(), noon).kind, 'change', 'after a revocation')
})

t.test('who returns has no grants, keeps the cut-off and the memberships named anew only', async (t) => {
  const clinic = registered()
  run(clinic, { kind: 'enrol_staff', subject: ada, ownPatient: pat, memberOf: [lab('old')] })
  run(clinic, { kind: 'grant_role', subject: ada, role: 'administrator' })
  run(clinic, { kind: 'offboard', subject: ada })
  t.same(dataOf(run(clinic, { kind: 'reinstate', subject: ada }, software(), noon + minute)), {
    actor: { rule: 'scope/staff.write' },
    subject: ada,
  })
  t.match(clinic.state.subjects.get(ada.pseudonym), { status: 'active', cutOff: noon, ownPatient: pat, memberOf: { length: 0 } })
  t.equal(clinic.state.grants.bySubject.has(ada.pseudonym), false)
  run(clinic, { kind: 'offboard', subject: ada })
  run(clinic, { kind: 'reinstate', subject: ada, memberOf: [lab('new')] })
  t.same(clinic.state.subjects.get(ada.pseudonym)?.memberOf, [lab('new')])
})

t.test('a role is defined with an id for every permission', async (t) => {
  const clinic = withPeople()
  const draft = {
    ...role('writer', []),
    permissions: [{ resource_type: 'imaging', actions: ['read', 'update'], effect: 'permit', bounds: [], purposes: [] }],
  } as const
  t.match(dataOf(run(clinic, { kind: 'put_role', role: draft }, person(root, 'policy.write'))), {
    role: 'writer',
    permissions: [{ id: 'imaging.read+update' }],
    actor: { rule: 'role/administrator#clinic_settings.update' },
  })
})

t.test('a retired role gives nothing, and its name defined anew gives the old holders nothing', async (t) => {
  const clinic = withPeople()
  run(clinic, { kind: 'grant_role', subject: ada, role: 'reader' })
  run(clinic, { kind: 'retire_role', role: 'reader' })
  t.same(decide(clinic.state, question(ada, 'imaging', 'read'), noon).roles, [])
  run(clinic, { kind: 'put_role', role: role('reader', [permission('imaging', 'read')]) })
  t.same(decide(clinic.state, question(ada, 'imaging', 'read'), noon).roles, [])
  run(clinic, { kind: 'grant_role', subject: ada, role: 'reader' })
  t.equal(decide(clinic.state, question(ada, 'imaging', 'read'), noon).decision, 'permit')
})

const sharing = {
  kind: 'share_record',
  recipient: lab('crowns'),
  patient: pat,
  resourceTypes: ['imaging', 'lab_report'],
  actions: ['read'],
  purpose: 'TREAT',
  until: noon + minute,
  supportedObligations: new Set<string>(),
} as const satisfies AdministrativeCommand

t.test('a share names types, actions, a purpose and an end', async (t) => {
  const clinic = withPeople()
  const fieldsOf = (change: Partial<Record<keyof typeof sharing | 'records', unknown>>) => {
    const outcome = administer(clinic.state, { ...sharing, ...change } as AdministrativeCommand, software(), noon)
    return outcome.kind === 'error' ? outcome.fields?.map(({ field }) => field) : outcome.kind
  }
  const one = (type: string, id = '1') => ({ resourceType: type, pseudonym: record(type, id) })
  t.equal(fieldsOf({}), 'change')
  t.equal(fieldsOf({ records: [one('imaging'), one('lab_report'), one('lab_report', '2')] }), 'change')
  t.same(fieldsOf({ until: undefined }), ['until'])
  t.same(fieldsOf({ until: noon }), ['until'])
  t.same(fieldsOf({ resourceTypes: [] }), ['resource_types'])
  t.same(fieldsOf({ resourceTypes: ['*'] }), ['resource_types'])
  t.same(fieldsOf({ resourceTypes: ['imaging', 'imaging'] }), ['resource_types'])
  t.same(fieldsOf({ actions: [] }), ['actions'])
  t.same(fieldsOf({ actions: ['*'] }), ['actions'])
  t.same(fieldsOf({ purpose: 'FUN' }), ['purpose'])
  t.same(fieldsOf({ records: [] }), ['resource_ids', 'resource_ids'])
  t.same(fieldsOf({ records: [one('imaging')] }), ['resource_ids'], 'a type without records would otherwise share all of them, or none')
  t.same(fieldsOf({ records: [one('imaging'), one('invoice')] }), ['resource_ids'])
  t.same(fieldsOf({ records: Array.from({ length: 501 }, (_, n) => one(n === 0 ? 'imaging' : 'lab_report', `${n}`)) }), ['resource_ids'])
})

t.test('sharing is decided for each type, with the purpose and the duties the caller can carry out', async (t) => {
  const clinic = withPeople()
  const treat = { purposes: ['TREAT'] }
  run(clinic, {
    kind: 'put_role',
    role: role('dentist', [
      permission('imaging', 'share', { ...treat, bounds: [{ kind: 'recipient', codes: ['care'] }] }),
      permission('lab_report', 'share', { ...treat, bounds: [{ kind: 'recipient', codes: ['lab'] }] }),
      permission('invoice', 'share', treat),
    ]),
  })
  clinic.grant(ada, 'dentist', { until: noon + 30 })
  const share = (change: Partial<Record<keyof typeof sharing, unknown>>, who = ada, now = noon) =>
    administer(clinic.state, { ...sharing, ...change } as AdministrativeCommand, person(who, 'relationship.write'), now)
  const supportedObligations = new Set(['recipient'])
  t.match(share({}), {
    kind: 'refused',
    resourceType: 'imaging',
    action: 'share',
    patient: pat,
    purpose: 'TREAT',
    decision: { reasonCode: 'obligation_unsupported', rule: 'role/dentist#imaging.share' },
  })
  t.match(share({ supportedObligations, resourceTypes: ['imaging', 'message'] }), { kind: 'refused', resourceType: 'message' })
  t.match(share({ supportedObligations, purpose: 'HPAYMT' }), { kind: 'refused', decision: { reasonCode: 'purpose_not_allowed' } })
  t.match(share({ supportedObligations }, ben), { kind: 'refused', decision: { reasonCode: 'no_grant' } })
  const change = share({ supportedObligations }) as Change
  t.match(dataOf(change), {
    actor: { subject: ada, rule: 'role/dentist#imaging.share role/dentist#lab_report.share' },
    recipient: lab('crowns'),
    resource_types: ['imaging', 'lab_report'],
    until: at(noon + minute),
  })
  t.notOk('records' in dataOf(change))
  t.same(
    change.obligations.map(({ id, properties }) => [id, properties.codes]),
    [
      ['dentist#imaging.share/recipient', ['care']],
      ['dentist#lab_report.share/recipient', ['lab']],
    ],
  )
  t.equal(change.notAfter, noon + 30)
  t.equal((share({ resourceTypes: ['invoice'], until: noon + 20 }) as Change).notAfter, noon + 20)
})

t.test('records shared onward are decided one by one', async (t) => {
  const clinic = withPeople()
  run(clinic, { kind: 'put_role', role: role('onward', [permission('imaging', 'share', { bounds: [{ kind: 'shared', codes: [] }] })]) })
  clinic.grant(ada, 'onward')
  const mine = record('imaging', 'mine')
  clinic.apply('chartwarden.record.shared.v1', {
    recipient: ada,
    patient: pat,
    resource_types: ['imaging'],
    records: [mine],
    actions: ['share'],
    purpose: 'TREAT',
    until: at(noon + 10),
  })
  const share = (...ids: string[]) => {
    const records = ids.map((id) => ({ resourceType: 'imaging', pseudonym: record('imaging', id) }))
    return administer(clinic.state, { ...sharing, resourceTypes: ['imaging'], ...(ids.length === 0 ? {} : { records }) }, person(ada), noon)
  }
  t.match(share('mine'), { kind: 'change', notAfter: noon + 10 })
  t.match(share('mine', 'other'), { kind: 'refused', decision: { reasonCode: 'not_shared' } })
  t.match(share(), { kind: 'refused' }, 'nor all of them')
})

t.test('a lab need not be enrolled to receive, but must not have been offboarded', async (t) => {
  const clinic = withPeople()
  run(clinic, sharing)
  run(clinic, { kind: 'offboard', subject: lab('crowns') })
  t.same(administer(clinic.state, sharing, software(), noon), { kind: 'error', reason: 'SUBJECT_FORMER' })
})

t.test('ending a share needs the right to share each type, but no duties', async (t) => {
  const clinic = withPeople()
  run(clinic, {
    kind: 'put_role',
    role: role('dentist', [permission('imaging', 'share', { purposes: ['HRESCH'], bounds: [{ kind: 'recipient', codes: [] }] })]),
  })
  clinic.grant(ada, 'dentist')
  run(clinic, { ...sharing, resourceTypes: ['imaging'] })
  const shareId = clinic.last().id
  const command = { kind: 'end_share', shareId } as const
  t.match(administer(clinic.state, command, person(ben), noon), { kind: 'refused', resourceType: 'imaging', action: 'share', patient: pat })
  t.same(
    administer(clinic.state, command, person(ada), noon + minute),
    { kind: 'error', reason: 'SHARE_UNKNOWN' },
    'it has ended by itself',
  )
  t.same(dataOf(run(clinic, command, person(ada))), { actor: { subject: ada, rule: 'role/dentist#imaging.share' }, share_id: shareId })
  t.same(administer(clinic.state, command, person(ada), noon), { kind: 'error', reason: 'SHARE_UNKNOWN' })
  run(clinic, sharing)
  const both = clinic.last().id
  t.match(administer(clinic.state, { kind: 'end_share', shareId: both }, person(ada), noon) as Refusal, {
    kind: 'refused',
    resourceType: 'lab_report',
  })
})
