import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { type AccessDecision, decide } from '../../services/access/decide.ts'
import { reasonCodes } from '../../services/access/reasons.ts'
import { type ClinicState, emptyState, evolve } from '../../services/access/state.ts'
import { anyone, clinicOf, grants, happenings, moments, offboard, reinstate, requests } from '../support/arbitrary-clinic.ts'
import { permitsByTheBook } from '../support/by-the-book.ts'
import { noon, permission, role } from '../support/clinic-fold.ts'

const runs = { numRuns: 1_000 }

t.test('it permits exactly what the rules permit, whatever happened before', async (t) => {
  let permits = 0
  fc.assert(
    fc.property(happenings(), fc.array(requests, { minLength: 8, maxLength: 8 }), moments, (story, asked, now) => {
      const clinic = clinicOf(story)
      for (const request of asked) {
        const permitted = decide(clinic.state, request, now).decision === 'permit'
        if (permitted) permits += 1
        if (permitted !== permitsByTheBook(clinic.events, request, now)) return false
      }
      return true
    }),
    { numRuns: 3_000 },
  )
  t.ok(permits > 300, `the stories are not all denials: ${permits} permits`)
})

t.test('an answer is whole: its reason is published, a permit has a rule, a deny has no duties', async () => {
  fc.assert(
    fc.property(happenings(), requests, moments, (story, request, now) => {
      const { decision, reasonCode, rule, obligations, roles, notAfter } = decide(clinicOf(story).state, request, now)
      if (!Object.hasOwn(reasonCodes, reasonCode)) return false
      if (roles.join() !== [...new Set(roles)].sort().join()) return false
      if (notAfter !== undefined && !(notAfter > now)) return false
      if (decision === 'deny') return obligations.length === 0 && reasonCode !== 'role_permits'
      return reasonCode === 'role_permits' && /^role\/r[123]#p[0-9]$/.test(rule)
    }),
    runs,
  )
})

t.test('a permit holds unchanged until the moment it names', async (t) => {
  let bounded = 0
  const unlessBegins = happenings({ ends: false })
  fc.assert(
    fc.property(unlessBegins, requests, moments, fc.nat(12), (story, request, now, later) => {
      const clinic = clinicOf(story)
      const answer = decide(clinic.state, request, now)
      if (answer.decision === 'deny') return true
      if (answer.notAfter !== undefined) bounded += 1
      const then = Math.min(now + later, (answer.notAfter ?? Number.POSITIVE_INFINITY) - 1)
      const again = decide(clinic.state, request, then)
      // Only what begins in between may change it, and then only what decides, never who may for longer than said.
      const begins = clinic.events.some(({ data }) => 'from' in data && typeof data.from === 'string' && Date.parse(data.from) > now)
      return begins || (again.decision === 'permit' && again.rule === answer.rule && again.notAfter === answer.notAfter)
    }),
    { numRuns: 5_000 },
  )
  t.ok(bounded > 50, `${bounded} permits named one`)
})

t.test('forbid wins, in whatever order roles and grants come', async () => {
  const forbidding = role('never', [permission('imaging', 'read', { id: 'p0', effect: 'forbid' })])
  fc.assert(
    fc.property(happenings({ ends: false }), fc.nat(25), fc.nat(25), requests, moments, (story, definedAt, grantedAt, asked, now) => {
      const request = { ...asked, resourceType: 'imaging', action: 'read' }
      const add = [
        { at: definedAt, name: 'define', happen: (clinic: ReturnType<typeof clinicOf>) => clinic.define(forbidding) },
        { at: grantedAt, name: 'grant', happen: (clinic: ReturnType<typeof clinicOf>) => void clinic.grant(request.subject, 'never') },
      ].sort((left, right) => right.at - left.at)
      const mixed = add.reduce<typeof story>((events, one) => events.toSpliced(one.at, 0, one), story)
      const answer = decide(clinicOf(mixed).state, request, now)
      return answer.decision === 'deny' && answer.reasonCode === 'forbidden'
    }),
    runs,
  )
})

t.test('without roles that forbid, one grant less never permits more', async (t) => {
  let took = 0
  fc.assert(
    fc.property(happenings({ forbids: false }), grants, fc.nat(25), requests, moments, (story, grant, position, request, now) => {
      // One that changes nothing stands in for the grant, so that the other entries keep their ids.
      const nothing = {
        name: 'nothing',
        happen: (clinic: ReturnType<typeof clinicOf>) => void clinic.apply('chartwarden.share.ended.v1', { share_id: '' }),
      }
      const less = decide(clinicOf(story.toSpliced(position, 0, nothing)).state, request, now).decision
      const more = decide(clinicOf(story.toSpliced(position, 0, grant)).state, request, now).decision
      if (less !== more) took += 1
      return less === 'deny' || more === 'permit'
    }),
    { numRuns: 3_000 },
  )
  t.ok(took > 10, `it took a permit ${took} times`)
})

t.test('offboarded means no permit, whatever else is held or given', async () => {
  fc.assert(
    fc.property(happenings(), happenings({ ends: false }), requests, moments, (before, after, request, now) => {
      const clinic = clinicOf(before)
      offboard(clinic, request.subject as Parameters<typeof offboard>[1])
      for (const { happen } of after) happen(clinic)
      const answer = decide(clinic.state, { ...request, session: { issuedAt: now + 1_000 } }, now)
      return answer.reasonCode === 'offboarded' && answer.decision === 'deny' && answer.roles.length === 0
    }),
    runs,
  )
})

t.test('a reinstated person starts from nothing, whatever was given before or meanwhile', async () => {
  fc.assert(
    fc.property(happenings(), happenings({ ends: false }), anyone, requests, moments, (before, meanwhile, subject, request, now) => {
      const clinic = clinicOf(before)
      offboard(clinic, subject)
      for (const { happen } of meanwhile) happen(clinic)
      reinstate(clinic, subject)
      const answer = decide(clinic.state, { ...request, subject, session: { issuedAt: noon + 1_000_000 } }, now)
      return answer.decision === 'deny' && answer.roles.length === 0 && answer.reasonCode !== 'offboarded'
    }),
    runs,
  )
})

/** Without what a decision derives on first use. */
const folded = ({ roles, ...rest }: ClinicState) => ({ ...rest, definitions: roles.definitions, own: roles.own })

t.test('the fold is deterministic, ignores what it holds already, and a decision changes nothing', async () => {
  fc.assert(
    fc.property(happenings(), fc.array(requests), moments, (story, asked, now) => {
      const clinic = clinicOf(story)
      const answers = (state: ClinicState): readonly AccessDecision[] => asked.map((request) => decide(state, request, now))
      const once = answers(clinic.state)
      const again = emptyState()
      for (const event of clinic.events) {
        evolve(again, event)
        evolve(again, event)
      }
      return (
        isDeepStrictEqual(folded(again), folded(clinic.state)) &&
        isDeepStrictEqual(answers(again), once) &&
        isDeepStrictEqual(answers(clinic.state), once)
      )
    }),
    { numRuns: 300 },
  )
})

t.test('any well-formed question gets an answer, in any state', async () => {
  const hostile = fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty')
  const text = fc.oneof({ weight: 4, arbitrary: fc.string({ minLength: 1, unit: 'grapheme' }) }, hostile)
  const purpose = fc.option(text, { nil: undefined })
  fc.assert(
    fc.property(happenings(), requests, text, text, purpose, fc.double(), (story, request, resourceType, action, code, now) => {
      const { decision } = decide(clinicOf(story).state, { ...request, resourceType, action, purpose: code }, now)
      return decision === 'permit' || decision === 'deny'
    }),
    runs,
  )
})
