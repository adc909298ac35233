/**
 * Right at a boundary the answer is the same whether or not an entry says that something has ended: `until` is exclusive, `from` inclusive,
 * and the clock decides. Each row is asked a millisecond before, at and after its boundary, on the state with and without its expiry entry.
 */
import fc from 'fast-check'
import t from 'tap'
import { type AccessRequest, decide } from '../../services/access/decide.ts'
import { endedBy } from '../../services/access/expiry/due.ts'
import { at, type ClinicFold, createClinicFold, noon, patient, permission, question, role, staff } from '../support/clinic-fold.ts'

const until = noon + 60_000
const anna = staff('anna')
const boss = staff('boss')
const mia = patient('mia')

interface Row {
  readonly what: string
  readonly fold: () => ClinicFold
  readonly request: AccessRequest
  /** What is answered until the boundary, and from it on. */
  readonly before: string
  readonly after: string
  /** How many entries say so. */
  readonly entries: number
}

const clinicWith =
  (make: (fold: ClinicFold) => void): (() => ClinicFold) =>
  () => {
    const fold = createClinicFold()
    fold.apply('chartwarden.clinic.registered.v1', { title: 'T', time_zone: 'UTC', administrator: boss })
    fold.define(role('reader', [permission('imaging', 'read')]))
    fold.define(role('team', [permission('imaging', 'read', { bounds: [{ kind: 'own_patients', codes: [] }] })]))
    fold.define(role('receiver', [permission('imaging', 'read', { bounds: [{ kind: 'shared', codes: [] }] })]))
    fold.define(role('forbidder', [permission('imaging', 'read', { effect: 'forbid' })]))
    fold.define({ ...role('cleared', []), clearance: { confidentiality: 'V', sensitivities: ['*'] } })
    fold.enrol(anna)
    make(fold)
    return fold
  }

const share = (fold: ClinicFold): void => {
  fold.apply('chartwarden.record.shared.v1', {
    recipient: anna,
    patient: mia,
    resource_types: ['imaging'],
    actions: ['read'],
    purpose: 'TREAT',
    until: at(until),
  })
}

const consent = (fold: ClinicFold, decision: 'permit' | 'deny', over: { readonly until?: number; readonly recipient?: typeof anna } = {}) =>
  fold.apply('chartwarden.consent.recorded.v1', {
    patient: mia,
    resource_types: [],
    purposes: [],
    decision,
    ...(over.until === undefined ? {} : { until: at(over.until) }),
    ...(over.recipient === undefined ? {} : { recipient: over.recipient }),
  })

const ofMia = question(anna, 'imaging', 'read', { patient: mia })
const [permits, denies] = ['permit role_permits', 'deny no_grant']

const rows: readonly Row[] = [
  {
    what: 'a grant',
    fold: clinicWith((fold) => void fold.grant(anna, 'reader', { until })),
    request: ofMia,
    before: permits,
    after: denies,
    entries: 1,
  },
  {
    what: 'one of two grants of a role',
    fold: clinicWith((fold) => {
      fold.grant(anna, 'reader', { until })
      fold.grant(anna, 'reader')
    }),
    request: ofMia,
    before: permits,
    after: permits,
    entries: 1,
  },
  {
    what: 'a grant of a role that forbids',
    fold: clinicWith((fold) => {
      fold.grant(anna, 'reader')
      fold.grant(anna, 'forbidder', { until })
    }),
    request: ofMia,
    before: 'deny forbidden',
    after: permits,
    entries: 1,
  },
  {
    what: 'a grant to come of a role that forbids',
    fold: clinicWith((fold) => {
      fold.grant(anna, 'reader')
      fold.grant(anna, 'forbidder', { from: until })
    }),
    request: ofMia,
    before: permits,
    after: 'deny forbidden',
    entries: 0,
  },
  {
    what: 'a grant to come',
    fold: clinicWith((fold) => void fold.grant(anna, 'reader', { from: until })),
    request: ofMia,
    before: denies,
    after: permits,
    entries: 0,
  },
  {
    what: 'a place on a care team',
    fold: clinicWith((fold) => {
      fold.grant(anna, 'team')
      fold.apply('chartwarden.careteam.joined.v1', { patient: mia, subject: anna, until: at(until) })
    }),
    request: ofMia,
    before: permits,
    after: 'deny not_own_patient',
    entries: 1,
  },
  {
    what: 'a share',
    fold: clinicWith((fold) => {
      fold.grant(anna, 'receiver')
      share(fold)
    }),
    request: ofMia,
    before: permits,
    after: 'deny not_shared',
    entries: 1,
  },
  {
    what: 'a consent that refuses',
    fold: clinicWith((fold) => {
      fold.grant(anna, 'reader')
      consent(fold, 'deny', { until })
    }),
    request: ofMia,
    before: 'deny consent_denied',
    after: permits,
    entries: 1,
  },
  {
    what: 'a closer consent that permits',
    fold: clinicWith((fold) => {
      fold.grant(anna, 'reader')
      consent(fold, 'deny')
      consent(fold, 'permit', { until, recipient: anna })
    }),
    request: ofMia,
    before: permits,
    after: 'deny consent_denied',
    entries: 1,
  },
  {
    what: 'an emergency access',
    fold: clinicWith((fold) => {
      fold.apply(
        'chartwarden.emergency.opened.v1',
        { subject: anna, patient: mia, purpose: 'BTG', until: at(until), review_due: at(until) },
        noon,
      )
    }),
    request: { ...ofMia, purpose: 'BTG' },
    before: 'permit emergency_access',
    after: denies,
    entries: 1,
  },
  {
    what: 'a clearance by a role that ends',
    fold: clinicWith((fold) => {
      fold.grant(anna, 'reader')
      fold.grant(anna, 'cleared', { until })
      fold.apply('chartwarden.resource.described.v1', {
        resource_type: 'patient',
        record: mia,
        patient: mia,
        confidentiality: 'V',
        sensitivities: [],
        properties: {},
      })
    }),
    request: ofMia,
    before: permits,
    after: 'deny confidentiality',
    entries: 1,
  },
]

const answer = ({ state }: ClinicFold, request: AccessRequest, time: number): string => {
  const { decision, reasonCode } = decide(state, request, time)
  return `${decision} ${reasonCode}`
}

for (const { what, fold: make, request, before, after, entries } of rows) {
  t.test(`${what}: exclusive at its end, inclusive at its beginning, with and without the entry`, async (t) => {
    const fold = make()
    for (const [time, expected] of [
      [until - 1, before],
      [until, after],
      [until + 1, after],
    ] as const) {
      t.equal(answer(fold, request, time), expected, `${time - until} ms from the boundary`)
    }
    const decided = decide(fold.state, request, until - 1)
    if (before.startsWith('permit') && before !== after)
      t.equal(decided.notAfter, until, 'a permit is not stored at its boundary or after it')
    t.same(endedBy(fold.state, until - 1, 10), [])
    const ended = endedBy(fold.state, until, 10)
    t.equal(ended.length, entries)
    fold.applyAll(
      ended.map(({ event }) => event),
      until + 1_000,
    )
    for (const time of [until, until + 1, until + 60_000]) t.equal(answer(fold, request, time), after, 'once the entry stands')
    t.same(endedBy(fold.state, until + 60_000, 10), [], 'nothing is said twice')
  })
}

/** Several things at once that end at moments near each other. */
const anything = fc.record({
  grants: fc.array(
    fc.record({
      role: fc.constantFrom('reader', 'team', 'receiver', 'forbidder', 'cleared'),
      from: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
      lasts: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
    }),
    { maxLength: 4 },
  ),
  consents: fc.array(fc.record({ decision: fc.constantFrom('permit' as const, 'deny' as const), until: fc.integer({ min: 0, max: 20 }) }), {
    maxLength: 3,
  }),
  emergencies: fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 2 }),
  shared: fc.boolean(),
  team: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
})

t.test('whatever has ended, saying so changes no answer, then or later', async () => {
  fc.assert(
    fc.property(
      anything,
      fc.integer({ min: 0, max: 25 }),
      fc.integer({ min: 0, max: 5 }),
      fc.constantFrom('TREAT', 'BTG'),
      (given, said, later, purpose) => {
        const moment = (offset: number): number => until - 10 + offset
        const make = clinicWith((fold) => {
          for (const { role: name, from, lasts } of given.grants) {
            const end = lasts === undefined ? {} : { until: moment((from ?? 0) + lasts) }
            fold.grant(anna, name, { ...(from === undefined ? {} : { from: moment(from) }), ...end })
          }
          for (const { decision, until: end } of given.consents) consent(fold, decision, { until: moment(end) })
          for (const end of given.emergencies) {
            fold.apply(
              'chartwarden.emergency.opened.v1',
              { subject: anna, patient: mia, purpose: 'BTG', until: at(moment(end)), review_due: at(moment(end)) },
              moment(0),
            )
          }
          if (given.shared) share(fold)
          if (given.team !== undefined) {
            fold.apply('chartwarden.careteam.joined.v1', { patient: mia, subject: anna, until: at(moment(given.team)) })
          }
        })
        const [silent, told] = [make(), make()]
        told.applyAll(
          endedBy(told.state, moment(said), 100).map(({ event }) => event),
          moment(said),
        )
        const request = { ...ofMia, purpose }
        const time = moment(said + later)
        const left = decide(silent.state, request, time)
        const right = decide(told.state, request, time)
        return JSON.stringify(left) === JSON.stringify(right)
      },
    ),
    { numRuns: 500 },
  )
})
