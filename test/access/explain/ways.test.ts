/** What is said to be needed is true: made as entries, each way ends in a permit. */
import fc from 'fast-check'
import t from 'tap'
import { type AccessRequest, decide } from '../../../services/access/decide.ts'
import type { Step } from '../../../services/access/explain/steps.ts'
import { type Way, waysTo } from '../../../services/access/explain/ways.ts'
import { wayTexts } from '../../../services/access/explain/words.ts'
import { clinicOf, happenings, moments, requests } from '../../support/arbitrary-clinic.ts'
import { at, type ClinicFold, createClinicFold, noon, patient, permission, question, role, staff } from '../../support/clinic-fold.ts'

/** Does what a step says, as the entries of the calls that do it; what concerns the question is the question's. */
const make = (clinic: ClinicFold, request: AccessRequest, step: Step, now: number): AccessRequest => {
  const { subject, patient: of, resourceType, action, purpose = '' } = request
  const concerned = of as NonNullable<typeof of>
  switch (step.kind) {
    case 'enrol':
      clinic.enrol(subject)
      return request
    case 'reinstate':
      clinic.apply('chartwarden.staff.reinstated.v1', { subject }, now)
      return request
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
      for (const way of waysTo(state, request, now)) {
        ways += 1
        if (decidedAfter(clinicOf(story), request, way, now) !== 'permit') return false
      }
      return true
    }),
    { numRuns: 400 },
  )
  t.ok(ways > 200, `${ways} ways`)
})
