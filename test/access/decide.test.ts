import t from 'tap'
import { type AccessRequest, decide, decideWhoeverSignedIn, sessionTooFarAhead } from '../../services/access/decide.ts'
import { reasonCodes } from '../../services/access/reasons.ts'
import { at, createClinicFold, lab, noon, patient, permission, question, record, role, staff } from '../support/clinic-fold.ts'

const ada = staff('ada')
const ben = staff('ben')
const pat = patient('1')

/** A clinic where Ada holds one role of these permissions. */
const clinicWith = (...permissions: Parameters<typeof role>[1]) => {
  const clinic = createClinicFold()
  clinic.define(role('held', permissions))
  clinic.enrol(ada)
  const grant = clinic.grant(ada, 'held')
  return {
    clinic,
    grant,
    ask: (type: string, action: string, rest?: Partial<AccessRequest>, now = noon) =>
      decide(clinic.state, question(ada, type, action, rest), now),
  }
}

const shareTo = (recipient: ReturnType<typeof staff>, rest: Record<string, unknown> = {}) => ({
  recipient,
  patient: pat,
  resource_types: ['imaging'],
  actions: ['read'],
  purpose: 'TREAT',
  until: at(noon + 1_000),
  ...rest,
})

t.test('a role in force permits, and the rule names its permission', async (t) => {
  const { ask } = clinicWith(permission('imaging', 'read'))
  t.same(ask('imaging', 'read'), {
    decision: 'permit',
    reasonCode: 'role_permits',
    rule: 'role/held#imaging.read',
    obligations: [],
    roles: ['held'],
  })
})

t.test('what is not granted is denied, and a misspelling is told apart', async (t) => {
  const { ask, clinic } = clinicWith(permission('imaging', 'read'))
  clinic.define(role('other', [permission('invoice', 'update')]))
  t.same(ask('imaging', 'update'), { decision: 'deny', reasonCode: 'no_grant', rule: '', obligations: [], roles: ['held'] })
  t.equal(ask('invoice', 'read').reasonCode, 'no_grant')
  t.equal(ask('imagin', 'read').reasonCode, 'unknown_resource_type')
  t.equal(ask('imaging', 'reed').reasonCode, 'unknown_action')
  t.equal(ask('*', '*').reasonCode, 'unknown_resource_type', 'a wildcard is no name')
  clinic.define(role('other', [permission('message', 'delete')]))
  t.equal(ask('message', 'delete').reasonCode, 'no_grant')
  t.equal(ask('invoice', 'read').reasonCode, 'unknown_resource_type', 'no role names it any more')
  t.equal(ask('imaging', 'update').reasonCode, 'unknown_action')
})

t.test('wildcards stand for every type and every action', async (t) => {
  const anything = { ...permission('*', '*'), id: 'all' }
  t.equal(clinicWith(anything).ask('whatever', 'do').rule, 'role/held#all')
  t.equal(clinicWith(permission('imaging', '*', { id: 'any' })).ask('imaging', 'do').decision, 'permit')
  t.equal(clinicWith(permission('imaging', '*', { id: 'any' })).ask('invoice', 'do').decision, 'deny')
  t.equal(clinicWith(permission('*', 'read', { id: 'all' })).ask('invoice', 'read').decision, 'permit')
  t.equal(clinicWith(permission('*', 'read', { id: 'all' })).ask('invoice', 'update').decision, 'deny')
  t.equal(
    clinicWith(permission('imaging', 'read'), permission('*', '*', { id: 'no', effect: 'forbid' })).ask('imaging', 'read').rule,
    'forbid/held#no',
  )
})

t.test('an unknown subject is denied whatever is granted to it', async (t) => {
  const { clinic } = clinicWith(permission('imaging', 'read'))
  clinic.grant(ben, 'held')
  t.same(decide(clinic.state, question(ben, 'imaging', 'read'), noon), {
    decision: 'deny',
    reasonCode: 'unknown_subject',
    rule: '',
    obligations: [],
    roles: [],
  })
})

t.test('a suspended subject is denied', async (t) => {
  const { clinic, ask } = clinicWith(permission('imaging', 'read'))
  const known = clinic.state.subjects.get(ada.pseudonym)!
  clinic.state.subjects.set(ada.pseudonym, { ...known, status: 'suspended' })
  t.match(ask('imaging', 'read'), { decision: 'deny', reasonCode: 'suspended', rule: '', roles: ['held'] })
})

t.test('a grant holds in [from, until), to the millisecond', async (t) => {
  const clinic = createClinicFold()
  clinic.define(role('held', [permission('imaging', 'read')]))
  clinic.enrol(ada)
  clinic.grant(ada, 'held', { from: noon, until: noon + 500 })
  const ask = (now: number) => decide(clinic.state, question(ada, 'imaging', 'read'), now)
  t.match(ask(noon - 1), { decision: 'deny', reasonCode: 'no_grant' })
  t.same(ask(noon - 1).roles, [], 'a grant to come is not in force')
  t.match(ask(noon), { decision: 'permit', notAfter: noon + 500 })
  t.match(ask(noon + 499), { decision: 'permit', notAfter: noon + 500 })
  t.match(ask(noon + 500), { decision: 'deny', reasonCode: 'no_grant' })
})

t.test('without "from" a grant holds from its entry on, whatever the clock says', async (t) => {
  const { ask } = clinicWith(permission('imaging', 'read'))
  t.equal(ask('imaging', 'read', {}, 0).decision, 'permit')
})

t.test('the grant that lasts longest counts', async (t) => {
  const { clinic, grant, ask } = clinicWith(permission('imaging', 'read'))
  clinic.grant(ada, 'held', { until: noon + 10 })
  t.equal(ask('imaging', 'read').notAfter, undefined, 'an open grant gives it as well')
  clinic.apply('chartwarden.role.revoked.v1', { subject: ada, role: 'held', grant_ids: [grant] })
  t.equal(ask('imaging', 'read').notAfter, noon + 10)
  clinic.grant(ada, 'held', { until: noon + 20 })
  t.equal(ask('imaging', 'read').notAfter, noon + 20)
  t.same(ask('imaging', 'read').roles, ['held'])
})

t.test('a grant of a role that does not exist gives nothing', async (t) => {
  const clinic = createClinicFold()
  clinic.enrol(ada)
  clinic.grant(ada, 'nothing')
  t.same(decide(clinic.state, question(ada, 'imaging', 'read'), noon).roles, [])
})

t.test('inherited permissions count, those of retired and unknown roles do not', async (t) => {
  const clinic = createClinicFold()
  clinic.define(role('base', [permission('imaging', 'read')]))
  clinic.define(role('middle', [], ['base', 'never_defined']))
  clinic.define(role('held', [], ['middle']))
  clinic.enrol(ada)
  clinic.grant(ada, 'held')
  const ask = () => decide(clinic.state, question(ada, 'imaging', 'read'), noon)
  t.match(ask(), { decision: 'permit', rule: 'role/base#imaging.read', roles: ['held'] })
  clinic.apply('chartwarden.role.retired.v1', { role: 'middle' })
  t.equal(ask().decision, 'deny')
  clinic.define(role('middle', [permission('imaging', 'read', { id: 'own' })], ['held']))
  t.match(ask(), { decision: 'permit', rule: 'role/middle#own' }, 'a cycle in the data does no harm')
})

t.test('forbid wins over every other role and over the own one', async (t) => {
  const { clinic, ask } = clinicWith(permission('imaging', 'read'), permission('imaging', 'read', { id: 'no', effect: 'forbid' }))
  t.same(ask('imaging', 'read'), { decision: 'deny', reasonCode: 'forbidden', rule: 'forbid/held#no', obligations: [], roles: ['held'] })
  clinic.define(role('barred', [permission('imaging', 'read', { id: 'never', effect: 'forbid' })]))
  clinic.define(role('heir', [], ['barred']))
  clinic.grant(ada, 'heir', { until: noon + 5 })
  t.match(ask('imaging', 'read'), { rule: 'forbid/barred#never', roles: ['heir', 'held'], notAfter: noon + 5 }, 'by name of the role')
  clinic.grant(ada, 'barred', { until: noon + 9 })
  t.equal(ask('imaging', 'read').notAfter, noon + 9, 'the longest grant that forbids')
  t.equal(ask('imaging', 'read', {}, noon + 9).rule, 'forbid/held#no')
})

t.test('a forbid for a purpose forbids that purpose and those below it only', async (t) => {
  const { ask } = clinicWith(
    permission('imaging', 'read'),
    permission('imaging', 'read', { id: 'no', effect: 'forbid', purposes: ['HRESCH'] }),
  )
  t.equal(ask('imaging', 'read', { purpose: 'TREAT' }).decision, 'permit')
  t.equal(ask('imaging', 'read', { purpose: 'CLINTRCH' }).reasonCode, 'forbidden')
  t.equal(ask('imaging', 'read', { purpose: undefined }).reasonCode, 'forbidden', 'and every administrative decision')
})

t.test('a forbid whose grant is over or to come forbids nothing', async (t) => {
  const { clinic, ask } = clinicWith(permission('imaging', 'read'))
  clinic.define(role('barred', [permission('imaging', 'read', { effect: 'forbid' })]))
  clinic.grant(ada, 'barred', { from: noon + 1, until: noon + 2 })
  t.equal(ask('imaging', 'read').decision, 'permit')
  t.equal(ask('imaging', 'read', {}, noon + 1).reasonCode, 'forbidden')
  t.equal(ask('imaging', 'read', {}, noon + 2).decision, 'permit')
})

t.test('a purpose must fit, with those below it and break-the-glass only when named', async (t) => {
  const { ask } = clinicWith(
    permission('imaging', 'read', { purposes: ['TREAT'] }),
    permission('invoice', 'read', { purposes: ['BTG'] }),
    permission('message', 'read'),
  )
  t.equal(ask('imaging', 'read', { purpose: 'COC' }).decision, 'permit')
  t.equal(ask('imaging', 'read', { purpose: 'ETREAT' }).decision, 'permit')
  t.match(ask('imaging', 'read', { purpose: 'BTG' }), {
    decision: 'deny',
    reasonCode: 'purpose_not_allowed',
    rule: 'role/held#imaging.read',
  })
  t.equal(ask('invoice', 'read', { purpose: 'BTG' }).decision, 'permit')
  t.equal(ask('invoice', 'read', { purpose: 'TREAT' }).decision, 'deny')
  t.equal(ask('message', 'read', { purpose: 'BTG' }).decision, 'permit', 'no purposes: any')
  t.equal(ask('message', 'read', { purpose: 'NONSENSE' }).reasonCode, 'purpose_not_allowed', 'any purpose there is')
  t.equal(ask('imaging', 'read', { purpose: undefined }).decision, 'permit', 'administrative decisions consult none')
})

t.test('own patients: on the care team of the patient, in [from, until)', async (t) => {
  const { clinic, ask } = clinicWith(permission('imaging', 'read', { bounds: [{ kind: 'own_patients', codes: [] }] }))
  t.match(ask('imaging', 'read', { patient: pat }), { decision: 'deny', reasonCode: 'not_own_patient', rule: 'role/held#imaging.read' })
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ben, patient: pat })
  t.equal(ask('imaging', 'read', { patient: pat }).decision, 'deny', 'another is on it')
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat, from: at(noon), until: at(noon + 7) })
  t.equal(ask('imaging', 'read', { patient: pat }, noon - 1).reasonCode, 'not_own_patient')
  t.match(ask('imaging', 'read', { patient: pat }), { decision: 'permit', notAfter: noon + 7 })
  t.equal(ask('imaging', 'read', { patient: pat }, noon + 6).decision, 'permit')
  t.equal(ask('imaging', 'read', { patient: pat }, noon + 7).reasonCode, 'not_own_patient')
  t.equal(ask('imaging', 'read', { patient: patient('2') }).reasonCode, 'not_own_patient')
  t.equal(ask('imaging', 'read').reasonCode, 'not_own_patient', 'no patient named')
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat })
  t.equal(ask('imaging', 'read', { patient: pat }).notAfter, undefined, 'joining again replaces the period')
  clinic.apply('chartwarden.careteam.left.v1', { subject: ada, patient: pat })
  t.equal(ask('imaging', 'read', { patient: pat }).decision, 'deny')
})

t.test('shared: a share in force must cover type, action, purpose, patient and record', async (t) => {
  const bound = { bounds: [{ kind: 'shared', codes: [] }] }
  const { clinic, ask } = clinicWith(
    permission('imaging', 'read', bound),
    permission('imaging', 'update', bound),
    permission('invoice', 'read', bound),
  )
  const one = record('imaging', 'one')
  const named = { patient: pat, record: one }
  t.equal(ask('imaging', 'read', named).reasonCode, 'not_shared')
  const share = clinic.apply('chartwarden.record.shared.v1', shareTo(ada, { records: [one], purpose: 'TREAT' }))
  t.match(ask('imaging', 'read', named), { decision: 'permit', notAfter: noon + 1_000 })
  t.equal(ask('imaging', 'read', { ...named, purpose: 'COC' }).decision, 'permit', 'a purpose below that of the share')
  t.equal(ask('imaging', 'read', { ...named, purpose: 'BTG' }).reasonCode, 'not_shared')
  t.equal(ask('imaging', 'read', { ...named, purpose: 'PATADMIN' }).reasonCode, 'not_shared')
  t.equal(ask('imaging', 'read', { ...named, purpose: undefined }).decision, 'permit')
  t.equal(ask('imaging', 'update', named).reasonCode, 'not_shared')
  t.equal(ask('invoice', 'read', { ...named, record: record('invoice', 'one') }).reasonCode, 'not_shared')
  t.equal(ask('imaging', 'read', { ...named, patient: patient('2') }).reasonCode, 'not_shared')
  t.equal(ask('imaging', 'read', { ...named, record: record('imaging', 'two') }).reasonCode, 'not_shared')
  t.equal(ask('imaging', 'read', { patient: pat }).reasonCode, 'not_shared', 'no record named, but the share names records')
  t.equal(ask('imaging', 'read', { record: one }).reasonCode, 'not_shared', 'no patient named')
  t.equal(ask('imaging', 'read', named, noon + 999).decision, 'permit')
  t.equal(ask('imaging', 'read', named, noon + 1_000).reasonCode, 'not_shared')
  clinic.apply('chartwarden.record.shared.v1', shareTo(ada, { until: at(noon + 2_000) }))
  t.equal(ask('imaging', 'read', named).notAfter, noon + 2_000, 'the share that lasts longest')
  t.equal(ask('imaging', 'read', { patient: pat }).decision, 'permit', 'one that names no records covers them all')
  t.equal(ask('invoice', 'read', { patient: pat }).reasonCode, 'not_shared', 'of its types')
  clinic.apply('chartwarden.share.ended.v1', { share_id: share })
  t.equal(ask('imaging', 'read', named).decision, 'permit')
  clinic.apply('chartwarden.share.ended.v1', { share_id: 'entry-5' })
  t.equal(ask('imaging', 'read', named).decision, 'permit', 'ending what is not there ends nothing')
})

t.test('a share with an organisation reaches its members, and nobody else', async (t) => {
  const crowns = lab('crowns')
  const clinic = createClinicFold()
  clinic.define(role('technician', [permission('imaging', 'read', { bounds: [{ kind: 'shared', codes: [] }] })]))
  clinic.enrol(ada, [lab('bridges'), crowns])
  clinic.enrol(ben, [lab('bridges')])
  clinic.grant(ada, 'technician')
  clinic.grant(ben, 'technician')
  clinic.apply('chartwarden.record.shared.v1', shareTo(crowns))
  t.equal(decide(clinic.state, question(ada, 'imaging', 'read', { patient: pat }), noon).decision, 'permit')
  t.equal(decide(clinic.state, question(ben, 'imaging', 'read', { patient: pat }), noon).reasonCode, 'not_shared')
  clinic.apply('chartwarden.staff.offboarded.v1', {
    subject: crowns,
    effective: at(noon),
    unknown_subject: false,
    ended: { grants: 0, shares: 1, relationships: 0, digest: '' },
  })
  t.equal(decide(clinic.state, question(ada, 'imaging', 'read', { patient: pat }), noon).reasonCode, 'not_shared', 'until it is offboarded')
})

t.test('a share or a care team permits nothing by itself', async (t) => {
  const clinic = createClinicFold()
  clinic.define(role('technician', [permission('imaging', 'read', { bounds: [{ kind: 'shared', codes: [] }] })]))
  clinic.enrol(ada)
  clinic.apply('chartwarden.record.shared.v1', shareTo(ada))
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat })
  t.equal(decide(clinic.state, question(ada, 'imaging', 'read', { patient: pat }), noon).reasonCode, 'no_grant')
})

t.test('all bounds of one permission hold together and are never mixed with another one', async (t) => {
  const own = { kind: 'own_patients', codes: [] }
  const shared = { kind: 'shared', codes: [] }
  const { clinic, ask } = clinicWith(permission('imaging', 'read', { bounds: [own, shared] }))
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat, until: at(noon + 5) })
  t.equal(ask('imaging', 'read', { patient: pat }).reasonCode, 'not_shared')
  clinic.apply('chartwarden.record.shared.v1', shareTo(ada, { until: at(noon + 9) }))
  t.match(ask('imaging', 'read', { patient: pat }), { decision: 'permit', notAfter: noon + 5 })
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat, until: at(noon + 50) })
  t.equal(ask('imaging', 'read', { patient: pat }).notAfter, noon + 9)
  clinic.apply('chartwarden.careteam.left.v1', { subject: ada, patient: pat })
  t.equal(ask('imaging', 'read', { patient: pat }).reasonCode, 'not_own_patient')
})

t.test('other bounds are duties, and the caller must support every one', async (t) => {
  const bounds = [
    { kind: 'fields', codes: ['status', 'dates'] },
    { kind: 'own_entries', codes: [] },
  ]
  const { ask } = clinicWith(permission('imaging', 'read', { bounds }))
  t.match(ask('imaging', 'read'), { decision: 'deny', reasonCode: 'obligation_unsupported', rule: 'role/held#imaging.read' })
  t.same(ask('imaging', 'read', { supportedObligations: new Set(['fields']) }).obligations, [])
  t.equal(ask('imaging', 'read', { supportedObligations: new Set(['own_entries']) }).decision, 'deny')
  const permit = ask('imaging', 'read', { supportedObligations: new Set(['fields', 'own_entries']) })
  t.equal(permit.decision, 'permit')
  t.same(permit.obligations, [
    { id: 'held#imaging.read/fields', type: 'fields', properties: { codes: ['status', 'dates'] } },
    { id: 'held#imaging.read/own_entries', type: 'own_entries', properties: {} },
  ])
  t.equal(ask('imaging', 'read', { supportedObligations: 'any' }).decision, 'permit')
})

t.test('of several that hold: plain, then fewest duties, then role, then permission', async (t) => {
  const clinic = createClinicFold()
  const duty = (...kinds: string[]) => ({ bounds: kinds.map((kind) => ({ kind, codes: [] })) })
  clinic.enrol(ada)
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat })
  const supportedObligations = new Set(['a', 'b'])
  const ask = (supported = supportedObligations) =>
    decide(clinic.state, question(ada, 'imaging', 'read', { patient: pat, supportedObligations: supported }), noon).rule
  const add = (name: string, rest: Parameters<typeof permission>[2]) => {
    clinic.define(role(name, [permission('imaging', 'read', rest)]))
    clinic.grant(ada, name)
  }
  add('a_two', { id: 'p', ...duty('a', 'b') })
  t.equal(ask(), 'role/a_two#p')
  add('z_one', { id: 'p', ...duty('b') })
  t.equal(ask(), 'role/z_one#p', 'fewest duties')
  t.equal(ask(new Set(['a'])), 'role/z_one#p', 'the nearest even when none holds')
  add('c_one', { id: 'q', ...duty('a') })
  t.equal(ask(), 'role/c_one#q', 'by role')
  t.equal(ask(new Set(['b'])), 'role/z_one#p', 'what the caller does not support is no alternative')
  clinic.define(
    role('c_one', [permission('imaging', 'read', { id: 'q', ...duty('a') }), permission('imaging', 'read', { id: 'm', ...duty('b') })]),
  )
  t.equal(ask(), 'role/c_one#m', 'by permission')
  add('b_own', { id: 'p', ...duty('own_patients') })
  t.equal(ask(), 'role/b_own#p', 'a bound that holds is no duty')
  add('x_plain', { id: 'z' })
  t.equal(ask(), 'role/x_plain#z', 'a plain one')
  add('w_plain', { id: 'z', purposes: ['HPAYMT'] })
  t.equal(ask(), 'role/x_plain#z', 'but only if it holds')
})

t.test('a deny tells of the permission that came nearest', async (t) => {
  const { clinic, ask } = clinicWith(permission('imaging', 'read', { id: 'a', purposes: ['HPAYMT'] }))
  const add = (name: string, rest: Parameters<typeof permission>[2]) => {
    clinic.define(role(name, [permission('imaging', 'read', rest)]))
    clinic.grant(ada, name)
  }
  t.match(ask('imaging', 'read'), { reasonCode: 'purpose_not_allowed', rule: 'role/held#a' })
  add('z_shared', { bounds: [{ kind: 'shared', codes: [] }] })
  t.match(ask('imaging', 'read'), { reasonCode: 'not_shared', rule: 'role/z_shared#imaging.read' })
  add('y_duty', { bounds: [{ kind: 'fields', codes: [] }] })
  t.match(ask('imaging', 'read'), { reasonCode: 'obligation_unsupported', rule: 'role/y_duty#imaging.read' })
  t.equal(ask('imaging', 'read').notAfter, undefined)
})

t.test('the order of grants and roles makes no difference', async (t) => {
  const definitions = [
    role('plain', [permission('imaging', 'read', { id: 'p' })]),
    role('plainer', [permission('imaging', 'read', { id: 'p' })]),
    role('heir', [], ['plain', 'plainer']),
  ]
  const answers = [definitions, definitions.toReversed()].flatMap((defined) =>
    [
      ['heir', 'plain', 'plainer'],
      ['plainer', 'plain', 'heir'],
      ['plain', 'heir', 'plainer'],
    ].map((granted) => {
      const clinic = createClinicFold()
      for (const definition of defined) clinic.define(definition)
      clinic.enrol(ada)
      for (const name of granted) clinic.grant(ada, name, name === 'heir' ? { until: noon + 90 } : { until: noon + 30 })
      return decide(clinic.state, question(ada, 'imaging', 'read'), noon)
    }),
  )
  for (const answer of answers) t.same(answer, answers[0])
  t.match(answers[0], { rule: 'role/plain#p', roles: ['heir', 'plain', 'plainer'], notAfter: noon + 90 })
})

t.test('after a cut-off the sign-in must be known and later', async (t) => {
  const { clinic, ask } = clinicWith(permission('imaging', 'read'))
  const signedIn = (issuedAt?: number) => ({ session: issuedAt === undefined ? {} : { issuedAt } })
  t.equal(ask('imaging', 'read').decision, 'permit', 'without a cut-off none is needed')
  clinic.apply(
    'chartwarden.staff.offboarded.v1',
    { subject: ada, effective: at(0), unknown_subject: false, ended: { grants: 1, shares: 0, relationships: 0, digest: '' } },
    noon - 100,
  )
  t.match(ask('imaging', 'read', signedIn(noon)), { decision: 'deny', reasonCode: 'offboarded', rule: '', roles: { length: 0 } })
  clinic.apply('chartwarden.staff.reinstated.v1', { subject: ada })
  t.equal(ask('imaging', 'read', signedIn(noon)).reasonCode, 'no_grant', 'reinstated with nothing')
  clinic.grant(ada, 'held')
  t.match(ask('imaging', 'read'), { decision: 'deny', reasonCode: 'session_required', roles: ['held'] })
  t.equal(ask('imaging', 'read', signedIn()).reasonCode, 'session_required')
  t.equal(ask('imaging', 'read', signedIn(noon - 101)).reasonCode, 'session_cut_off')
  t.equal(ask('imaging', 'read', signedIn(noon - 100)).reasonCode, 'session_cut_off', 'at the cut-off itself')
  t.equal(ask('imaging', 'read', signedIn(noon - 99)).decision, 'permit')
  t.equal(decideWhoeverSignedIn(clinic.state, question(ada, 'imaging', 'read'), noon).decision, 'permit')
})

t.test('a sign-in more than a minute ahead is an error of the request', async (t) => {
  t.equal(sessionTooFarAhead(undefined, noon), false)
  t.equal(sessionTooFarAhead({}, noon), false)
  t.equal(sessionTooFarAhead({ issuedAt: noon + 60_000 }, noon), false)
  t.equal(sessionTooFarAhead({ issuedAt: noon + 60_001 }, noon), true)
})

t.test('the codes that the contract names exist, each with a sentence', async (t) => {
  const named = ['role_permits', 'no_grant', 'offboarded', 'forbidden', 'purpose_not_allowed', 'obligation_unsupported', 'stale_request']
  for (const code of named) t.ok(Object.hasOwn(reasonCodes, code), code)
  for (const [code, sentence] of Object.entries(reasonCodes)) t.match(sentence, /^[A-Z].+\.$/, code)
})
