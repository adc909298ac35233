import fc from 'fast-check'
import t from 'tap'
import { type AccessRequest, decide } from '../../../services/access/decide.ts'
import { explain } from '../../../services/access/explain/explanation.ts'
import { clinicOf, happenings, moments, requests } from '../../support/arbitrary-clinic.ts'
import {
  at,
  type ClinicFold,
  createClinicFold,
  noon,
  patient,
  permission,
  question,
  record,
  role,
  staff,
} from '../../support/clinic-fold.ts'
import { finish } from '../../support/finish.ts'

const anna = staff('anna')
const steps = ['standing', 'forbid', 'consent', 'confidentiality', 'permission', 'emergency']

t.test('it gives the answer of a check and every rule once, and says of what decided that it did', async () => {
  fc.assert(
    fc.property(happenings(), requests, moments, (story, request, now) => {
      const { state } = clinicOf(story)
      const { decision, rules, needed } = finish(explain(state, request, now))
      const plain = decide(state, request, now)
      if (JSON.stringify(decision) !== JSON.stringify(plain)) return false
      if (decision.decision === 'permit' && needed.length > 0) return false
      const keys = rules.map((one) => `${one.step} ${one.rule} ${one.detail}`)
      if (new Set(keys).size !== keys.length) return false
      if (rules.some(({ detail, step }) => detail === '' || !steps.includes(step))) return false
      if (decision.reasonCode === 'role_permits') return rules.some(({ rule, outcome }) => rule === decision.rule && outcome === 'permits')
      if (decision.decision === 'deny')
        return rules.some(({ reasonCode, outcome }) => reasonCode === decision.reasonCode && outcome !== 'permits')
      return true
    }),
    { numRuns: 500 },
  )
})

t.test('no text names anybody: neither pseudonyms nor what the caller stated', async () => {
  fc.assert(
    fc.property(happenings(), requests, moments, (story, request, now) => {
      const stated = {
        caller: 'secret-caller',
        override: false,
        resource: { sensitivities: ['SECRETLABEL'] },
        subject: { level: 'secret-level' },
      }
      const { rules, needed } = finish(explain(clinicOf(story).state, { ...request, stated }, now))
      const said = [...rules.map(({ detail }) => detail), ...needed].join('\n')
      const names = [request.subject.pseudonym, request.patient, request.record, 'secret', 'SECRETLABEL'].filter(
        (name) => name !== undefined,
      )
      return names.every((name) => !said.includes(name))
    }),
    { numRuns: 500 },
  )
})

t.test('until the moment named the answer stays what it is', async (t) => {
  let denies = 0
  fc.assert(
    fc.property(happenings({ clock: false }), requests, moments, fc.integer({ min: 1, max: 20 }), (story, request, now, later) => {
      const { state } = clinicOf(story)
      const { decision, until } = finish(explain(state, request, now))
      if (until !== undefined && now + later >= until) return true
      if (decision.decision === 'deny') denies += 1
      // The sign-in is the same one; that the clock moves on is all that happens.
      return decide(state, request, now + later).decision === decision.decision
    }),
    { numRuns: 1_000 },
  )
  t.ok(denies > 100, `${denies} denies`)
})

const clinicWith = (happen: (clinic: ClinicFold) => void): ClinicFold => {
  const clinic = createClinicFold()
  clinic.enrol(anna)
  happen(clinic)
  return clinic
}

const rulesOf = (clinic: ClinicFold, request: AccessRequest) =>
  finish(explain(clinic.state, request, noon)).rules.map(({ step, rule, outcome, reasonCode, detail }) => [
    step,
    rule,
    outcome,
    reasonCode,
    detail,
  ])

t.test('of a permit it says why its rule was preferred', async (t) => {
  const duty = [{ kind: 'mask', codes: [] }]
  const clinic = clinicWith((clinic) => {
    clinic.define(role('plain', [permission('imaging', 'read')]))
    clinic.define(role('bound', [permission('imaging', 'read', { bounds: duty })]))
    clinic.grant(anna, 'bound')
    clinic.grant(anna, 'plain')
  })
  const asked = question(anna, 'imaging', 'read', { supportedObligations: new Set(['mask']) })
  t.same(rulesOf(clinic, asked), [
    ['permission', 'role/bound#imaging.read', 'permits', 'role_permits', 'It allows this too; another permission was preferred.'],
    ['permission', 'role/plain#imaging.read', 'permits', 'role_permits', 'It allows this, and was preferred: it is plain, without bounds.'],
  ])
  t.same(rulesOf(clinic, { ...asked, supportedObligations: new Set() }), [
    [
      'permission',
      'role/bound#imaging.read',
      'not_met',
      'obligation_unsupported',
      'It allows this under duties that the calling software does not say it carries out: mask.',
    ],
    [
      'permission',
      'role/plain#imaging.read',
      'permits',
      'role_permits',
      'It allows this, and decided: no other permission of a role in force does.',
    ],
  ])
})

t.test('a forbid, a consent and a label are all named, in the order of deciding, with what the roles would allow', async (t) => {
  const clinic = clinicWith((clinic) => {
    clinic.define(role('plain', [permission('imaging', 'read')]))
    clinic.define(role('night', [permission('imaging', 'read', { effect: 'forbid' })]))
    clinic.define(role('billing', [permission('imaging', 'read', { id: 'pay', effect: 'forbid', purposes: ['HPAYMT'] })]))
    for (const name of ['plain', 'night', 'billing']) clinic.grant(anna, name)
    clinic.apply('chartwarden.consent.recorded.v1', { patient: patient('p'), resource_types: [], purposes: [], decision: 'deny' })
    clinic.apply('chartwarden.resource.described.v1', {
      resource_type: 'imaging',
      record: record('imaging', '1'),
      confidentiality: 'R',
      sensitivities: ['PSY', 'HOUSE'],
      properties: {},
    })
  })
  const asked = question(anna, 'imaging', 'read', { patient: patient('p'), record: record('imaging', '1') })
  t.same(
    rulesOf(clinic, asked).map(([step, rule, outcome, , detail]) => [step, rule, outcome, detail]),
    [
      ['forbid', 'forbid/night#imaging.read', 'refuses', 'It forbids this, whatever other roles allow.'],
      ['forbid', 'forbid/billing#pay', 'not_met', 'It forbids this, but not for the purpose stated.'],
      ['consent', 'consent/entry-7', 'refuses', 'A consent directive of the patient refuses it; the rule names the directive.'],
      ['confidentiality', '', 'refuses', 'The record is labelled R; no role in force is cleared for that.'],
      ['confidentiality', '', 'refuses', 'The record is labelled with a sensitivity of the clinic; no role in force is cleared for that.'],
      ['confidentiality', '', 'refuses', 'The record is labelled PSY; no role in force is cleared for that.'],
      ['permission', 'role/plain#imaging.read', 'permits', 'It allows this, but an earlier step refuses.'],
    ],
  )
})

t.test('a condition says what it looks at, never what it saw', async (t) => {
  const clinic = clinicWith((clinic) => {
    const conditional = { ...permission('imaging', 'read'), condition: 'resource.properties.status == "final"' }
    clinic.define(role('careful', [conditional]))
    clinic.grant(anna, 'careful')
  })
  const stated = { resource: { status: 'draft' }, caller: 'tests', override: false }
  t.same(rulesOf(clinic, question(anna, 'imaging', 'read', { stated })), [
    [
      'permission',
      'role/careful#imaging.read',
      'not_met',
      'condition_not_met',
      'It allows this on a condition that does not hold; it looks at resource.properties.status.',
    ],
  ])
  t.match(rulesOf(clinic, question(anna, 'imaging', 'read')), [
    [
      'permission',
      'role/careful#imaging.read',
      'not_met',
      'condition_error',
      /^Its condition could not be evaluated \(.+\), so it gives nothing; state resource\.properties\.status, or describe it in the directory\.$/,
    ],
  ])
})

t.test('a forbid whose condition lacks an attribute names what to state', async (t) => {
  const clinic = clinicWith((clinic) => {
    const nights = { ...permission('imaging', 'read', { effect: 'forbid', id: 'no' }), condition: 'subject.properties.shift == "night"' }
    const busy = { ...permission('imaging', 'read', { effect: 'forbid', id: 'busy' }), condition: 'context.queue > 3' }
    clinic.define(role('careful', [permission('imaging', 'read'), nights, busy]))
    clinic.grant(anna, 'careful')
  })
  const details = rulesOf(clinic, question(anna, 'imaging', 'read')).map(([, rule, , , detail]) => [rule, detail])
  t.match(details, [
    ['forbid/careful#no', /, so it forbids; state subject\.properties\.shift, or describe it in the directory\.$/],
    ['forbid/careful#busy', /, so it forbids; state context\.queue\.$/],
    ['role/careful#imaging.read', 'It allows this, but an earlier step refuses.'],
  ])
})

t.test('an emergency of another patient changes nothing of this answer', async (t) => {
  const open = (of: string) =>
    clinicWith((clinic) => {
      clinic.define(role('plain', [permission('imaging', 'read')]))
      const until = at(noon + 60_000)
      clinic.apply('chartwarden.emergency.opened.v1', { subject: anna, patient: patient(of), purpose: 'BTG', until, review_due: until })
    })
  const untilOf = (of: string) => finish(explain(open(of).state, question(anna, 'imaging', 'read', { patient: patient('p') }), noon)).until
  t.equal(untilOf('p'), noon + 60_000)
  t.equal(untilOf('another'), undefined)
})

t.test('an open emergency that lacks but a duty names it, and so does what is needed', async (t) => {
  const clinic = clinicWith((clinic) => {
    const duty = { bounds: [{ kind: 'own_entries', codes: [] }], purposes: ['TREAT'] }
    clinic.define(role('writer', [permission('clinical_note', 'update', duty), permission('emergency_access', 'open')]))
    clinic.grant(anna, 'writer')
    const until = at(noon + 60_000)
    clinic.apply('chartwarden.emergency.opened.v1', { subject: anna, patient: patient('p'), purpose: 'BTG', until, review_due: until })
  })
  const request = question(anna, 'clinical_note', 'update', { patient: patient('p'), purpose: 'BTG' })
  const { decision, rules, needed } = finish(explain(clinic.state, request, noon))
  t.equal(decision.reasonCode, 'obligation_unsupported')
  t.match(
    rules.find(({ step }) => step === 'emergency'),
    { outcome: 'not_met', detail: /is open, but .*own_entries/ },
  )
  t.ok(needed.includes('Let the calling software carry out, and say so: own_entries (supported_obligations).'), needed.join('\n'))
  t.notOk(
    needed.some((way) => /open emergency access/i.test(way)),
    'one is open already',
  )
})

t.test('where nothing speaks of the question the reason is said all the same', async (t) => {
  const clinic = clinicWith((clinic) => clinic.define(role('plain', [permission('imaging', 'read')])))
  t.match(rulesOf(clinic, question(anna, 'imaging', 'read')), [['permission', '', 'not_met', 'no_grant', /^No role in force allows/]])
  t.match(rulesOf(clinic, question(anna, 'imagin', 'read')), [['permission', '', 'not_met', 'unknown_resource_type', /check the spelling/]])
  t.match(rulesOf(clinic, question(staff('nobody'), 'imaging', 'read')), [['standing', '', 'refuses', 'unknown_subject', /Nobody/]])
})
