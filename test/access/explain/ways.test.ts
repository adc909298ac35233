/** What is said to be needed is true: made as entries, each way ends in a permit. */
import fc from 'fast-check'
import t from 'tap'
import { descriptionOf, withKnownPatient } from '../../../services/access/decide/labels-of.ts'
import { type AccessRequest, decide } from '../../../services/access/decide.ts'
import type { Step } from '../../../services/access/explain/steps.ts'
import { type Way, waysTo } from '../../../services/access/explain/ways.ts'
import { wayTexts } from '../../../services/access/explain/words.ts'
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

/** Does what a step says, as the entries of the calls that do it; what concerns the question is the question's. */
const make = (clinic: ClinicFold, request: AccessRequest, step: Step, now: number): AccessRequest => {
  const { subject, resourceType, action, purpose = '' } = request
  const { patient: of } = withKnownPatient(request, descriptionOf(clinic.state, request))
  const concerned = of as NonNullable<typeof of>
  switch (step.kind) {
    case 'enrol':
      clinic.enrol(subject)
      return request
    case 'reinstate':
      clinic.apply('chartwarden.staff.reinstated.v1', { subject }, now)
      return request
    case 'name_patient':
      return { ...request, patient: step.patient }
    case 'sign_in':
      return { ...request, session: { issuedAt: step.issuedAt } }
    case 'grant_role':
      clinic.grant(subject, step.role)
      return request
    case 'revoke_role': {
      const ids = (clinic.state.grants.bySubject.get(subject.pseudonym) ?? []).filter((one) => one.role === step.role).map(({ id }) => id)
      clinic.apply('chartwarden.role.revoked.v1', { subject, role: step.role, grant_ids: ids })
      return request
    }
    case 'purpose':
      return { ...request, purpose: step.purpose }
    case 'care_team':
      clinic.apply('chartwarden.careteam.joined.v1', { patient: concerned, subject })
      return request
    case 'share':
      clinic.apply('chartwarden.record.shared.v1', {
        recipient: subject,
        patient: concerned,
        resource_types: [resourceType],
        actions: [action],
        purpose,
        until: at(now + 1_000),
      })
      return request
    case 'consent':
      clinic.apply('chartwarden.consent.recorded.v1', {
        patient: concerned,
        recipient: subject,
        resource_types: [resourceType],
        purposes: [purpose],
        decision: 'permit',
      })
      return request
    case 'withdraw_consents':
      for (const id of step.ids) clinic.apply('chartwarden.consent.withdrawn.v1', { consent_id: id, patient: concerned })
      return request
    case 'obligations': {
      const before = request.supportedObligations === 'any' ? [] : [...request.supportedObligations]
      return { ...request, supportedObligations: new Set([...before, ...step.types]) }
    }
    case 'emergency':
      clinic.apply(
        'chartwarden.emergency.opened.v1',
        { subject, patient: concerned, purpose: 'BTG', until: at(now + 1_000), review_due: at(now + 1_000) },
        now,
      )
      return { ...request, purpose: step.purpose }
  }
}

const decidedAfter = (clinic: ClinicFold, request: AccessRequest, way: Way, now: number): string => {
  const asked = way.reduce((before, step) => make(clinic, before, step, now), request)
  return decide(clinic.state, asked, now).decision
}

t.test('every way that is said to be needed leads to a permit, whatever happened to the clinic', async (t) => {
  let ways = 0
  fc.assert(
    fc.property(happenings(), requests, moments, (story, request, now) => {
      const { state } = clinicOf(story)
      for (const way of finish(waysTo(state, request, now))) {
        ways += 1
        if (decidedAfter(clinicOf(story), request, way, now) !== 'permit') return false
      }
      return true
    }),
    { numRuns: 400 },
  )
  t.ok(ways > 200, `${ways} ways`)
})

const anna = staff('anna')
const imaging = (rest: Partial<AccessRequest> = {}) => question(anna, 'imaging', 'read', { patient: patient('p'), ...rest })

/** Everything that is said to be needed, for a clinic of one person. */
const needed = (happen: (clinic: ClinicFold) => void, request: AccessRequest = imaging()): readonly string[] => {
  const clinic = createClinicFold()
  clinic.define(role('viewer', [permission('imaging', 'read', { purposes: ['TREAT'] })]))
  clinic.define(role('own', [permission('imaging', 'read', { id: 'own', bounds: [{ kind: 'own_patients', codes: [] }] })]))
  clinic.define(role('lab', [permission('imaging', 'read', { id: 'lab', bounds: [{ kind: 'shared', codes: [] }] })]))
  clinic.define(role('night', [permission('imaging', 'read', { id: 'no', effect: 'forbid' })]))
  clinic.define(role('masked', [permission('imaging', 'read', { id: 'm', bounds: [{ kind: 'mask', codes: [] }], purposes: ['HPAYMT'] })]))
  clinic.define(role('carer', [permission('emergency_access', 'open')]))
  clinic.enrol(anna)
  happen(clinic)
  return wayTexts(finish(waysTo(clinic.state, request, noon)))
}

t.test('what is missing is said in words, one way each', async (t) => {
  t.same(
    needed(() => undefined),
    ['Grant the role viewer.'],
  )
  t.same(
    needed((clinic) => clinic.grant(anna, 'own')),
    ['Put this subject on the care team of the patient.', 'Grant the role viewer.'],
  )
  t.same(
    needed((clinic) => clinic.grant(anna, 'lab')),
    ['Share records of this type of the patient with this subject, for this action and purpose.', 'Grant the role viewer.'],
  )
  t.same(
    needed((clinic) => clinic.grant(anna, 'viewer'), imaging({ purpose: 'HPAYMT' })),
    ['Ask with another purpose, where it is the true one: TREAT, CLINTRL, COC, ETREAT, ERTREAT or POPHLTH.'],
  )
  t.same(
    needed((clinic) => {
      clinic.grant(anna, 'viewer')
      clinic.grant(anna, 'night')
    }),
    ['Revoke the role night, which forbids it.'],
  )
  t.same(needed((clinic) => clinic.grant(anna, 'masked'), imaging({ purpose: 'HPAYMT' })).slice(0, 1), [
    'Let the calling software carry out, and say so: mask (supported_obligations).',
  ])
  t.same(
    needed((clinic) => clinic.grant(anna, 'carer')),
    [
      'Open emergency access for this patient, which this subject may, and ask with the purpose BTG; a review is owed then.',
      'Grant the role viewer.',
    ],
  )
})

t.test('what the patient decided is named, with what would override it', async (t) => {
  const refuse = (clinic: ClinicFold) => {
    clinic.grant(anna, 'viewer')
    clinic.apply('chartwarden.consent.recorded.v1', { patient: patient('p'), resource_types: [], purposes: [], decision: 'deny' })
  }
  t.same(needed(refuse), [
    'Record a consent of the patient that permits this subject, for this type and purpose.',
    'Withdraw the consent directive that refuses it.',
  ])
})

t.test('somebody who left, or is not known, comes back with nothing: several steps are one way', async (t) => {
  t.same(
    needed(() => undefined, question(staff('stranger'), 'imaging', 'read')),
    ['Enrol this subject; and grant the role viewer.'],
  )
  t.same(
    needed((clinic) => {
      clinic.apply('chartwarden.staff.offboarded.v1', {
        subject: anna,
        effective: at(noon),
        unknown_subject: false,
        ended: { grants: 0, shares: 0, relationships: 0, digest: '' },
      })
    }),
    ['Reinstate this subject; and state a sign-in from after the cut-off (session.issued_at); and grant the role viewer.'],
  )
})

t.test('where nothing would help nothing is said, and of a permit neither', async (t) => {
  t.same(
    needed(() => undefined, question(anna, 'no_such_type', 'read')),
    [],
  )
  t.same(
    needed((clinic) => clinic.grant(anna, 'viewer')),
    [],
  )
})

const describe = (clinic: ClinicFold) =>
  clinic.apply('chartwarden.resource.described.v1', {
    resource_type: 'imaging',
    record: record('imaging', 'i'),
    patient: patient('p'),
    confidentiality: 'N',
    sensitivities: [],
    properties: {},
  })

t.test('a record asked for with another patient is asked for with its own', async (t) => {
  const named = 'Name the patient of the record, as the directory knows it (resource.patient_id)'
  const asked = imaging({ record: record('imaging', 'i'), patient: patient('other') })
  const happen = (held?: string) => (clinic: ClinicFold) => {
    describe(clinic)
    if (held !== undefined) clinic.grant(anna, held)
  }
  t.same(needed(happen('viewer'), asked), [`${named}.`])
  t.ok(needed(happen('own'), asked).includes(`${named}; and put this subject on the care team of the patient.`))
  t.ok(needed(happen(), asked).every((way) => way.startsWith(named)))
  const { patient: _, ...unnamed } = asked
  t.ok(needed(happen('own'), unnamed).includes('Put this subject on the care team of the patient.'), 'the patient is the known one')
})

t.test('no emergency access is advised where one is open already', async (t) => {
  const advice = /open emergency access/i
  const open = (clinic: ClinicFold, of = 'p', from = noon) => {
    clinic.grant(anna, 'carer')
    const until = at(from + 60_000)
    clinic.apply('chartwarden.emergency.opened.v1', { subject: anna, patient: patient(of), purpose: 'BTG', until, review_due: until }, from)
  }
  const ways = needed((clinic) => open(clinic))
  t.notOk(
    ways.some((way) => advice.test(way)),
    ways.join(),
  )
  t.ok(
    ways.some((way) => /^Ask with another purpose.*BTG/.test(way)),
    ways.join(),
  )
  t.ok(needed((clinic) => open(clinic, 'another')).some((way) => advice.test(way)))
  t.ok(
    needed((clinic) => open(clinic, 'p', noon - 60_000)).some((way) => advice.test(way)),
    'that one is over',
  )
})

t.test(
  'it may be interrupted between any two decisions, before the first trial too: conditions may make one take milliseconds',
  async (t) => {
    const clinic = createClinicFold()
    const anna = staff('anna')
    clinic.enrol(anna)
    clinic.define(role('duties', [permission('imaging', 'read', { bounds: [{ kind: 'fields', codes: [] }] })]))
    for (const index of [1, 2, 3]) clinic.define(role(`r${index}`, [permission('invoice', 'update')]))
    clinic.grant(anna, 'duties')
    // Every decision looks the subject up, and little else does.
    let lookups = 0
    const { subjects } = clinic.state
    const get = subjects.get.bind(subjects)
    Object.defineProperty(subjects, 'get', {
      value: (key: Parameters<typeof get>[0]) => {
        lookups += 1
        return get(key)
      },
    })
    for (const request of [question(anna, 'imaging', 'read', { patient: patient('p') }), question(anna, 'referral', 'read')]) {
      const steps = waysTo(clinic.state, request, noon)
      let most = 0
      let all = 0
      for (let done = false; !done; done = steps.next().done === true) {
        most = Math.max(most, lookups)
        all += lookups
        lookups = 0
      }
      t.ok(all > 10 && most <= 2, `${all} lookups, at most ${most} in one piece`)
    }
  },
)
