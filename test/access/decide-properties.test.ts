import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { type AccessDecision, type AccessRequest, type Consulted, decide } from '../../services/access/decide.ts'
import { reasonCodes } from '../../services/access/reasons.ts'
import { type ClinicState, emptyState, evolve } from '../../services/access/state.ts'
import {
  anyone,
  clinicOf,
  closeEmergency,
  emergencies,
  grants,
  type Happening,
  happenings,
  moments,
  nothing,
  offboard,
  reinstate,
  requests,
} from '../support/arbitrary-clinic.ts'
import { patientByTheBook, permitByTheBook } from '../support/by-the-book.ts'
import { at, type ClinicFold, noon, permission, role } from '../support/clinic-fold.ts'

const runs = { numRuns: 1_000 }

/** A question that an emergency of this person about this patient is meant for, so that many random ones are. */
const urgent = fc.tuple(requests, fc.constantFrom('BTG', 'ETREAT')).map(([request, purpose]): AccessRequest => ({ ...request, purpose }))

t.test('it permits exactly what the rules permit, by the same rule, whatever happened before', async (t) => {
  const permits = { role: 0, emergency: 0 }
  fc.assert(
    fc.property(happenings(), fc.array(fc.oneof(requests, urgent), { minLength: 8, maxLength: 8 }), moments, (story, asked, now) => {
      const clinic = clinicOf(story)
      for (const request of asked) {
        const { decision, rule, obligations, patient } = decide(clinic.state, request, now)
        const expected = permitByTheBook(clinic.events, request, now)
        if (patient !== patientByTheBook(clinic.events, request)) return false
        if (decision === 'deny') {
          if (expected !== undefined) return false
          continue
        }
        permits[rule.startsWith('role/') ? 'role' : 'emergency'] += 1
        if (rule !== expected?.rule || obligations.map(({ type }) => type).join() !== expected.duties.join()) return false
      }
      return true
    }),
    { numRuns: 3_000 },
  )
  t.ok(permits.role > 300 && permits.emergency > 50, `the stories are not all denials: ${JSON.stringify(permits)}`)
})

t.test('an answer is whole: its reason is published, a permit has a rule, a deny has no duties', async () => {
  fc.assert(
    fc.property(happenings(), requests, moments, (story, request, now) => {
      const { decision, reasonCode, rule, obligations, roles, notAfter, overrode } = decide(clinicOf(story).state, request, now)
      if (!Object.hasOwn(reasonCodes, reasonCode)) return false
      if (roles.join() !== [...new Set(roles)].sort().join()) return false
      if (notAfter !== undefined && !(notAfter > now)) return false
      if (decision === 'deny') return obligations.length === 0 && !['role_permits', 'emergency_access'].includes(reasonCode)
      if (reasonCode === 'role_permits') return /^role\/r[123]#p[0-9]$/.test(rule) && overrode === undefined
      return reasonCode === 'emergency_access' && /^emergency\/entry-\d+$/.test(rule) && overrode !== undefined && notAfter !== undefined
    }),
    { numRuns: 3_000 },
  )
})

t.test('asked why, it answers the same, and tells of the rule that decided', async (t) => {
  let told = 0
  fc.assert(
    fc.property(happenings(), fc.oneof(requests, urgent), moments, (story, request, now) => {
      const { state } = clinicOf(story)
      const consulted: Consulted[] = []
      const answer = decide(state, request, now, (one) => consulted.push(one))
      if (!isDeepStrictEqual(answer, decide(state, request, now))) return false
      if (answer.rule === '') return true
      told += 1
      const outcome = answer.decision === 'permit' ? 'permits' : undefined
      return consulted.some(
        (one) => one.rule === answer.rule && one.reasonCode === answer.reasonCode && (outcome === undefined || one.outcome === outcome),
      )
    }),
    { numRuns: 3_000 },
  )
  t.ok(told > 300, `${told} answers named a rule`)
})

t.test('a permit is a permit with the same duties until the moment it names, and one that ends has named a moment', async (t) => {
  let bounded = 0
  fc.assert(
    fc.property(happenings({ clock: false }), fc.oneof(requests, urgent), moments, (story, request, now) => {
      const { state, events } = clinicOf(story)
      // An emergency begins with its entry: none that stands in the ledger is still to come.
      fc.pre(!events.some(({ type, time }) => type === 'chartwarden.emergency.opened.v1' && time > now))
      const answer = decide(state, request, now)
      if (answer.decision === 'deny') return true
      if (answer.notAfter !== undefined) bounded += 1
      // Nothing in these stories lies later than that.
      const end = Math.min(answer.notAfter ?? Number.POSITIVE_INFINITY, noon + 8)
      for (let then = now + 1; then < end; then += 1) {
        const again = decide(state, request, then)
        if (again.decision === 'deny' || !isDeepStrictEqual(again.obligations, answer.obligations)) return false
      }
      return true
    }),
    { numRuns: 10_000 },
  )
  t.ok(bounded > 100, `${bounded} permits named one`)
})

t.test('a permit whose condition looks at the clock is decided again within a second', async () => {
  const timely = role('timely', [{ ...permission('imaging', 'read'), condition: "context.time < timestamp('2026-11-23T12:00:00Z')" }])
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), (before) => {
      const clinic = clinicOf([])
      clinic.define(timely)
      const subject = clinic.events.flatMap(({ data }) => ('subject' in data && data.subject !== undefined ? [data.subject] : []))[0]
      if (subject === undefined) return false
      clinic.grant(subject, 'timely')
      const request: AccessRequest = { subject, resourceType: 'imaging', action: 'read', purpose: 'TREAT', supportedObligations: new Set() }
      const { decision, notAfter } = decide(clinic.state, request, noon - before)
      return decision === 'permit' && notAfter !== undefined && notAfter <= noon - before + 1_000
    }),
    runs,
  )
})

t.test('forbid wins, in whatever order roles, grants, emergencies and their rules come', async () => {
  const forbidding = (position: number) => {
    const rules = [permission('imaging', 'read', { id: 'p0' }), permission('imaging', 'read', { id: 'p1' })]
    return role('never', rules.toSpliced(position, 0, permission('imaging', 'read', { id: 'no', effect: 'forbid' })))
  }
  fc.assert(
    fc.property(
      happenings({ ends: false }),
      fc.nat(25),
      fc.nat(25),
      fc.nat(2),
      requests,
      moments,
      (story, definedAt, grantedAt, position, asked, now) => {
        const request = { ...asked, resourceType: 'imaging', action: 'read' }
        const add = [
          { at: definedAt, name: 'define', happen: (clinic: ClinicFold) => clinic.define(forbidding(position)) },
          { at: grantedAt, name: 'grant', happen: (clinic: ClinicFold) => void clinic.grant(request.subject, 'never') },
        ].sort((left, right) => right.at - left.at)
        const mixed = add.reduce<readonly Happening[]>((events, one) => events.toSpliced(one.at, 0, one), story)
        const answer = decide(clinicOf(mixed).state, request, now)
        // Where another role forbids too, by a condition that errs, either may be told.
        return answer.decision === 'deny' && (answer.reasonCode === 'forbidden' || answer.rule.startsWith('forbid/'))
      },
    ),
    runs,
  )
})

t.test('the order of grants, of rules in a role and of what a role inherits makes no difference', async () => {
  const shuffled = <T>(values: readonly T[], seed: number): readonly T[] =>
    values
      .map((value, index) => [(index * 7_919 + seed * 104_729) % 1_009, value] as const)
      .sort((a, b) => a[0] - b[0])
      .map(([, value]) => value)
  fc.assert(
    fc.property(
      happenings({ ends: false }),
      fc.array(grants, { maxLength: 6 }),
      fc.nat(1_000),
      requests,
      moments,
      (story, held, seed, request, now) => {
        const answerTo = (order: (grants: readonly Happening[]) => readonly Happening[], reorder: boolean): AccessDecision => {
          const clinic = clinicOf(story)
          if (reorder) {
            for (const { role: name, title, inherits, permissions, clearance } of [...clinic.state.roles.definitions.values()]) {
              const rest = clearance === undefined ? {} : { clearance }
              clinic.define({ role: name, title, inherits: shuffled(inherits, seed), permissions: shuffled(permissions, seed), ...rest })
            }
          }
          for (const { happen } of order(held)) happen(clinic)
          return decide(clinic.state, request, now)
        }
        return isDeepStrictEqual(
          answerTo((given) => given, false),
          answerTo((given) => shuffled(given, seed), true),
        )
      },
    ),
    runs,
  )
})

t.test('one grant less never permits more, roles that forbid left out and the budget of conditions kept', async (t) => {
  let took = 0
  fc.assert(
    fc.property(happenings({ forbids: false }), grants, fc.nat(25), requests, moments, (story, grant, position, request, now) => {
      const less = decide(clinicOf(story.toSpliced(position, 0, nothing)).state, request, now).decision
      const more = decide(clinicOf(story.toSpliced(position, 0, grant)).state, request, now).decision
      if (less !== more) took += 1
      return less === 'deny' || more === 'permit'
    }),
    { numRuns: 3_000 },
  )
  t.ok(took > 10, `it took a permit ${took} times`)
})

t.test('a caller that carries out fewer duties is never given more, in an emergency or not', async (t) => {
  let took = 0
  fc.assert(
    fc.property(happenings(), fc.oneof(requests, urgent), fc.boolean(), moments, (story, request, reads, now) => {
      const { state } = clinicOf(story)
      const asked = reads ? { ...request, action: 'read' } : request
      const answers = [[], ['fields'], ['fields', 'own_entries']].map((kinds) =>
        decide(state, { ...asked, supportedObligations: new Set(kinds) }, now),
      )
      return answers.every((fewer, index) =>
        answers.slice(index).every((more) => {
          if (fewer.decision === 'deny') return true
          if (more.obligations.length > 0) took += 1
          return more.decision === 'permit' && more.obligations.length <= fewer.obligations.length
        }),
      )
    }),
    { numRuns: 5_000 },
  )
  t.ok(took > 50, `${took} of the answers had duties`)
})

t.test('offboarded means no permit, whatever else is held or given', async () => {
  fc.assert(
    fc.property(happenings(), happenings({ ends: false }), fc.oneof(requests, urgent), moments, (before, after, request, now) => {
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

t.test('an emergency reaches no export, share, administration or audit log, no other person and no other patient', async (t) => {
  const beyond = fc.constantFrom('audit_log', 'care_team', 'clinic_settings', 'consent', 'directory', 'emergency_access', 'staff_account')
  const never = fc.oneof(
    fc.tuple(urgent, fc.constantFrom('export', 'share')).map(([request, action]) => ({ ...request, action })),
    fc.tuple(urgent, fc.oneof(beyond, fc.constantFrom('patient_export', 'revenue_report'))).map(([request, resourceType]) => ({
      ...request,
      resourceType,
    })),
  )
  const openedFor = (request: AccessRequest, patient: NonNullable<AccessRequest['patient']>): Happening => ({
    name: 'open',
    happen: (clinic) => {
      const when = { until: at(noon + 100), review_due: at(noon + 200) }
      clinic.apply('chartwarden.emergency.opened.v1', { subject: request.subject, patient, purpose: 'BTG', ...when }, noon - 100)
    },
  })
  const withOneMore = (story: readonly Happening[], one: Happening, request: AccessRequest, now: number) =>
    decide(clinicOf([...story, one]).state, request, now)

  fc.assert(
    fc.property(happenings(), never, moments, (story, request, now) => {
      if (request.patient === undefined) return true
      const opened = withOneMore(story, openedFor(request, request.patient), request, now)
      return opened.reasonCode !== 'emergency_access' && isDeepStrictEqual(opened, withOneMore(story, nothing, request, now))
    }),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(happenings(), emergencies, urgent, moments, (story, another, request, now) => {
      const clinic = clinicOf([...story, another])
      const opened = clinic.last().data as { subject: AccessRequest['subject']; patient: string }
      const answer = decide(clinic.state, request, now)
      // A request that names a record alone concerns the patient that the directory knows it to be of.
      if (opened.subject.pseudonym === request.subject.pseudonym && opened.patient === answer.patient) return true
      return isDeepStrictEqual(answer, withOneMore(story, nothing, request, now))
    }),
    { numRuns: 2_000 },
  )
  let permits = 0
  fc.assert(
    fc.property(happenings(), urgent, moments, (story, asked, now) => {
      const request: AccessRequest = { ...asked, resourceType: 'imaging', action: 'read' }
      if (request.patient === undefined) return true
      if (withOneMore(story, openedFor(request, request.patient), request, now).reasonCode === 'emergency_access') permits += 1
      return true
    }),
    runs,
  )
  t.ok(permits > 50, `elsewhere the same emergency permits: ${permits} times`)
})

t.test('an emergency that is over, closed or never opened makes no difference any more', async (t) => {
  let gave = 0
  fc.assert(
    fc.property(
      happenings(),
      emergencies,
      urgent,
      moments,
      fc.constantFrom('closed', 'expired', 'passed'),
      (story, opening, request, now, how) => {
        const clinic = clinicOf([...story, opening])
        const opened = clinic.last()
        if (opened.type !== 'chartwarden.emergency.opened.v1') return false
        if (decide(clinic.state, request, now).rule === `emergency/${opened.id}`) gave += 1
        if (how !== 'passed') closeEmergency(clinic, opened.id, how)
        const then = how === 'passed' ? Math.max(now, Date.parse(opened.data.until)) : now
        return isDeepStrictEqual(decide(clinic.state, request, then), decide(clinicOf([...story, nothing]).state, request, then))
      },
    ),
    { numRuns: 3_000 },
  )
  t.ok(gave > 10, `while it was open it gave ${gave} permits`)
})

/** Without what a decision derives on first use. */
const folded = ({ roles, ...rest }: ClinicState) => ({ ...rest, definitions: roles.definitions })

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
      // A double that is no moment makes no date for conditions to look at, and is still answered.
      const { decision } = decide(clinicOf(story).state, { ...request, resourceType, action, purpose: code }, now)
      return decision === 'permit' || decision === 'deny'
    }),
    runs,
  )
})
