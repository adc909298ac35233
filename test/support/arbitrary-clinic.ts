/** Random clinics and questions for property tests: few names, so that things meet. */
import fc from 'fast-check'
import type { AccessRequest } from '../../services/access/decide.ts'
import type { Permission } from '../../services/access/events.ts'
import { at, type ClinicFold, createClinicFold, lab, noon, patient, record, staff } from './clinic-fold.ts'

const people = [staff('p1'), staff('p2'), lab('l1')] as const
export const anyone = fc.constantFrom(...people)
const anyPatient = fc.constantFrom(patient('a'), patient('b'))
const type = fc.constantFrom('imaging', 'invoice')
const action = fc.constantFrom('read', 'share')
const roleName = fc.constantFrom('r1', 'r2', 'r3')
const purpose = fc.constantFrom('TREAT', 'COC', 'ETREAT', 'BTG', 'HPAYMT')
const time = fc.integer({ min: noon - 5, max: noon + 5 })
const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined })
const dutyKinds = ['fields', 'own_entries']

const bound = fc.constantFrom('own_patients', 'shared', ...dutyKinds).map((kind) => ({ kind, codes: [] }))

const permission = (forbids: boolean): fc.Arbitrary<Omit<Permission, 'id'>> =>
  fc.record({
    resource_type: fc.oneof({ weight: 5, arbitrary: type }, fc.constant('*')),
    actions: fc.oneof({ weight: 5, arbitrary: fc.uniqueArray(action, { minLength: 1 }) }, fc.constant(['*'])),
    effect: forbids ? fc.constantFrom('permit', 'limited', 'limited', 'forbid') : fc.constantFrom('permit', 'limited', 'limited'),
    bounds: fc.uniqueArray(bound, { minLength: 1, maxLength: 2, selector: ({ kind }) => kind }),
    purposes: fc.uniqueArray(purpose, { maxLength: 2 }),
  })

/** One thing that happens to a clinic. */
export type Happening = { readonly name: string; readonly happen: (clinic: ClinicFold) => void }

const happening = (name: string, happen: (clinic: ClinicFold) => void): Happening => ({ name, happen })

const define = (forbids: boolean) =>
  fc
    .record({
      role: roleName,
      inherits: fc.uniqueArray(roleName, { maxLength: 1 }),
      permissions: fc.array(permission(forbids), { maxLength: 3 }),
    })
    .map(({ role, inherits, permissions }) => {
      const numbered = permissions.map((given, index) => ({
        ...given,
        id: `p${index}`,
        bounds: given.effect === 'limited' ? given.bounds : [],
      }))
      return happening(`define ${role} ${JSON.stringify(numbered)}`, (clinic) =>
        clinic.define({ role, title: role, inherits: inherits.filter((name) => name !== role), permissions: numbered }),
      )
    })

const period = fc.record({ from: maybe(time), until: maybe(time) })
const periodText = ({ from, until }: { from?: number | undefined; until?: number | undefined }) => ({
  ...(from === undefined ? {} : { from: at(from) }),
  ...(until === undefined ? {} : { until: at(until) }),
})

export const grants: fc.Arbitrary<Happening> = fc
  .record({ subject: anyone, role: roleName, period })
  .map(({ subject, role, period: held }) =>
    happening(`grant ${role} ${JSON.stringify(held)}`, (clinic) => {
      clinic.apply('chartwarden.role.granted.v1', { subject, role, flags: [], ...periodText(held) })
    }),
  )

const others: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ subject: anyone, patient: anyPatient, period }).map(({ subject, patient: of, period: held }) =>
    happening(`join ${JSON.stringify(held)}`, (clinic) => {
      clinic.apply('chartwarden.careteam.joined.v1', { subject, patient: of, ...periodText(held) })
    }),
  ),
  fc
    .record({
      recipient: anyone,
      patient: anyPatient,
      resource_types: fc.uniqueArray(type, { minLength: 1 }),
      actions: fc.uniqueArray(action, { minLength: 1 }),
      purpose,
      records: maybe(fc.constantFrom([record('imaging', '1')], [record('invoice', '1')])),
      until: time,
    })
    .map(({ records, until, ...rest }) =>
      happening(`share until ${until}`, (clinic) => {
        clinic.apply('chartwarden.record.shared.v1', { ...rest, until: at(until), ...(records === undefined ? {} : { records }) })
      }),
    ),
)

const endings: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ subject: anyone, time }).map(({ subject, time: when }) => happening('offboard', (clinic) => offboard(clinic, subject, when))),
  anyone.map((subject) => happening('reinstate', (clinic) => reinstate(clinic, subject))),
  roleName.map((role) =>
    happening(`retire ${role}`, (clinic) => {
      clinic.apply('chartwarden.role.retired.v1', { role })
    }),
  ),
  fc.nat(30).map((index) =>
    happening(`revoke and end entry-${index}`, (clinic) => {
      for (const subject of people) clinic.apply('chartwarden.role.revoked.v1', { subject, role: '', grant_ids: [`entry-${index}`] })
      clinic.apply('chartwarden.share.ended.v1', { share_id: `entry-${index}` })
    }),
  ),
  fc.record({ subject: anyone, patient: anyPatient }).map(({ subject, patient: of }) =>
    happening('leave', (clinic) => {
      clinic.apply('chartwarden.careteam.left.v1', { subject, patient: of })
    }),
  ),
)

export const offboard = (clinic: ClinicFold, subject: (typeof people)[number], time = noon): void => {
  const ended = { grants: 0, shares: 0, relationships: 0, digest: '' }
  clinic.apply('chartwarden.staff.offboarded.v1', { subject, effective: at(time), unknown_subject: false, ended }, time)
}

export const reinstate = (clinic: ClinicFold, subject: (typeof people)[number]): void => {
  clinic.apply('chartwarden.staff.reinstated.v1', { subject, member_of: subject === people[0] ? [people[2]] : [] })
}

/** Things that happen, roles first; `forbids`: whether roles may forbid; `ends`: whether anything may end. */
export const happenings = ({ forbids = true, ends = true } = {}): fc.Arbitrary<readonly Happening[]> =>
  fc
    .tuple(
      fc.array(define(forbids), { maxLength: 5, size: 'max' }),
      fc.array(
        fc.oneof(
          { weight: 1, arbitrary: define(forbids) },
          { weight: 5, arbitrary: grants },
          { weight: 5, arbitrary: others },
          ...(ends ? [{ weight: 1, arbitrary: endings }] : []),
        ),
        { maxLength: 25, size: 'max' },
      ),
    )
    .map(([first, then]) => [...first, ...then])

/** A clinic with three people, one of them a member of the lab, to which these things happened. */
export const clinicOf = (story: readonly Happening[]): ClinicFold => {
  const clinic = createClinicFold()
  clinic.enrol(people[0], [people[2]])
  clinic.enrol(people[1])
  clinic.enrol(people[2])
  for (const { happen } of story) happen(clinic)
  return clinic
}

export const requests: fc.Arbitrary<AccessRequest> = fc
  .record({
    subject: anyone,
    action,
    resourceType: type,
    record: maybe(fc.constantFrom(record('imaging', '1'), record('invoice', '1'))),
    patient: maybe(anyPatient),
    purpose: maybe(purpose),
    issuedAt: maybe(time),
    supportedObligations: fc.oneof(
      fc.constant('any' as const),
      fc.subarray(dutyKinds).map((kinds) => new Set(kinds)),
    ),
  })
  .map(({ record: one, patient: of, issuedAt, ...rest }) => ({
    ...rest,
    ...(one === undefined ? {} : { record: one }),
    ...(of === undefined ? {} : { patient: of }),
    session: issuedAt === undefined ? {} : { issuedAt },
  }))

export const moments = fc.integer({ min: noon - 6, max: noon + 6 })
