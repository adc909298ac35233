/** Random clinics and questions for property tests: few names, so that things meet. */
import fc from 'fast-check'
import type { AccessRequest } from '../../services/access/decide.ts'
import type { Confidentiality, EmergencyOverride, OwnRecord, Permission } from '../../services/access/events.ts'
import { conditions } from './arbitrary-conditions.ts'
import { at, type ClinicFold, createClinicFold, lab, noon, patient, record, staff } from './clinic-fold.ts'

/** The second is a patient of the clinic too, the third an organisation of which the first is a member, the last the first patient. */
const people = [staff('p1'), staff('p2'), lab('l1'), { ...staff('a'), type: 'patient' }] as const
/** Most is about the first, so that it meets. */
export const anyone = fc.constantFrom(people[0], people[0], people[0], ...people)
const patients = [patient('a'), patient('b')] as const
const anyPatient = fc.constantFrom(patients[0], ...patients)
/** The clinic's own ones among them. */
const types = ['imaging', 'invoice', 'clinic/film', 'audit_log', 'patient_export']
const type = fc.constantFrom('imaging', 'imaging', 'imaging', 'invoice', 'invoice', ...types)
const actions = ['read', 'update', 'view', 'print', 'share', 'export']
const action = fc.constantFrom('read', 'read', 'read', ...actions)
const roleName = fc.constantFrom('r1', 'r2', 'r3')
const purpose = fc.constantFrom('TREAT', 'COC', 'ETREAT', 'BTG', 'HPAYMT')
const time = fc.integer({ min: noon - 5, max: noon + 5 })
const early = fc.integer({ min: noon - 8, max: noon + 2 })
const late = fc.integer({ min: noon - 2, max: noon + 8 })
const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined })
const rarely = <T>(values: fc.Arbitrary<T>) => fc.oneof({ weight: 1, arbitrary: values }, { weight: 2, arbitrary: fc.constant(undefined) })
const mostly = <T>(values: fc.Arbitrary<T>) => fc.oneof({ weight: 6, arbitrary: values }, { weight: 1, arbitrary: fc.constant(undefined) })
const dutyKinds = ['fields', 'own_entries']
const records = [record('imaging', '1'), record('invoice', '1')] as const
const anyRecord = fc.constantFrom(...records)
const confidentiality = fc.constantFrom<Confidentiality>('L', 'N', 'N', 'R', 'V')
const sensitivities = fc.subarray(['BH', 'PSY', 'VIP', 'HIV'], { maxLength: 1 })
const status = fc.constantFrom('open', 'in')

const bound = fc.constantFrom('own_patients', 'shared', ...dutyKinds).map((kind) => ({ kind, codes: [] }))

export interface Story {
  /** Whether roles may forbid. */
  readonly forbids?: boolean
  /** Whether anything may end. */
  readonly ends?: boolean
  /** Whether conditions may depend on the time. */
  readonly clock?: boolean
}

const permission = ({ forbids, clock }: Required<Story>): fc.Arbitrary<Omit<Permission, 'id'>> =>
  fc
    .record({
      resource_type: fc.oneof({ weight: 5, arbitrary: type }, fc.constant('*')),
      actions: fc.oneof({ weight: 5, arbitrary: fc.uniqueArray(action, { minLength: 1 }) }, fc.constant(['*'])),
      effect: forbids
        ? fc.constantFrom('permit', 'permit', 'limited', 'limited', 'limited', 'forbid')
        : fc.constantFrom('permit', 'limited', 'limited'),
      bounds: fc.uniqueArray(bound, { minLength: 1, maxLength: 2, selector: ({ kind }) => kind }),
      purposes: fc.uniqueArray(purpose, { maxLength: 2 }),
      condition: rarely(conditions({ clock })),
    })
    .map(({ condition, ...rest }) => (condition === undefined ? rest : { ...rest, condition }))

/** One thing that happens to a clinic. */
export type Happening = { readonly name: string; readonly happen: (clinic: ClinicFold) => void }

const happening = (name: string, happen: (clinic: ClinicFold) => void): Happening => ({ name, happen })

/** Stands for a happening that was left out, so that the other entries keep their ids. */
export const nothing: Happening = happening('nothing', (clinic) => {
  clinic.apply('chartwarden.share.ended.v1', { share_id: '' })
})

const clearance = fc.record({
  confidentiality: fc.constantFrom<Confidentiality>('N', 'R', 'V'),
  sensitivities: fc.constantFrom(['BH'], ['VIP'], ['EMP'], ['*'], []),
})

const define = (story: Required<Story>) =>
  fc
    .record({
      role: roleName,
      inherits: fc.uniqueArray(roleName, { maxLength: 1 }),
      permissions: fc.array(permission(story), { maxLength: 4 }),
      clearance: rarely(clearance),
    })
    .map(({ role, inherits, permissions, clearance: cleared }) => {
      const numbered = permissions.map((given, index) => ({
        ...given,
        id: `p${index}`,
        bounds: given.effect === 'limited' ? given.bounds : [],
      }))
      return happening(`define ${role} ${JSON.stringify([numbered, cleared])}`, (clinic) =>
        clinic.define({
          role,
          title: role,
          inherits: inherits.filter((name) => name !== role),
          permissions: numbered,
          ...(cleared === undefined ? {} : { clearance: cleared }),
        }),
      )
    })

const period = fc.record({ from: rarely(time), until: rarely(time) })
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

const joins = fc.record({ subject: anyone, patient: anyPatient, period }).map(({ subject, patient: of, period: held }) =>
  happening(`join ${JSON.stringify(held)}`, (clinic) => {
    clinic.apply('chartwarden.careteam.joined.v1', { subject, patient: of, ...periodText(held) })
  }),
)

const shares = fc
  .record({
    recipient: anyone,
    patient: anyPatient,
    resource_types: fc.uniqueArray(type, { minLength: 1 }),
    actions: fc.uniqueArray(action, { minLength: 1 }),
    purpose,
    records: maybe(anyRecord.map((one) => [one])),
    until: time,
  })
  .map(({ records: named, until, ...rest }) =>
    happening(`share until ${until}`, (clinic) => {
      clinic.apply('chartwarden.record.shared.v1', { ...rest, until: at(until), ...(named === undefined ? {} : { records: named }) })
    }),
  )

const consents = fc
  .record({
    patient: anyPatient,
    recipient: maybe(anyone),
    resource_types: fc.uniqueArray(type, { maxLength: 1 }),
    purposes: fc.uniqueArray(purpose, { maxLength: 1 }),
    decision: fc.constantFrom('permit' as const, 'deny' as const),
    period,
  })
  .map(({ recipient, period: held, ...rest }) =>
    happening(`consent ${JSON.stringify([rest, held])}`, (clinic) => {
      clinic.apply('chartwarden.consent.recorded.v1', { ...rest, ...periodText(held), ...(recipient === undefined ? {} : { recipient }) })
    }),
  )

const descriptions = fc.oneof(
  fc.record({ subject: anyone, level: fc.constantFrom('senior', 'junior') }).map(({ subject, level }) =>
    happening(`describe a subject as ${level}`, (clinic) => {
      clinic.apply('chartwarden.subject.described.v1', { subject, properties: { level } })
    }),
  ),
  fc
    .record({ record: anyRecord, of: fc.option(anyPatient, { nil: undefined }), confidentiality, sensitivities, status })
    .map(({ status: now, of, ...given }) => {
      const rest = { ...given, ...(of === undefined ? {} : { patient: of }) }
      return happening(`describe a record ${JSON.stringify([rest, now])}`, (clinic) => {
        clinic.apply('chartwarden.resource.described.v1', { resource_type: 'imaging', ...rest, properties: { status: now } })
      })
    }),
  fc.record({ record: anyPatient, confidentiality, sensitivities }).map((rest) =>
    happening(`describe a patient ${JSON.stringify(rest)}`, (clinic) => {
      clinic.apply('chartwarden.resource.described.v1', { resource_type: 'patient', ...rest, properties: {} })
    }),
  ),
)

/** What no clinic may name is named too: an entry of another version may. An entry of before names nothing. */
const reach = fc
  .record({
    types: fc.subarray(types, { minLength: 2 }),
    actions: fc.shuffledSubarray(actions, { minLength: 3 }),
    reading: fc.integer({ min: 1, max: 2 }),
  })
  .map(({ types: reached, actions: given, reading }) => ({
    resource_types: reached,
    read_actions: given.slice(0, reading),
    write_actions: given.slice(reading),
  }))

const settings = fc
  .record({
    own_record: fc.constantFrom<OwnRecord>('deny', 'read', 'as_roles_permit'),
    open_resource_types: fc.constantFrom([], ['invoice']),
    consent_to_share: fc.constantFrom([], ['imaging'], ['*']),
    overrides: fc.subarray<EmergencyOverride>(['confidentiality', 'consent', 'permissions']),
    disabled: fc.constantFrom(false, false, false, true),
    reach: rarely(reach),
  })
  .map(({ overrides, disabled, reach: reached, ...rest }) =>
    happening(`settle ${JSON.stringify([rest, overrides, reached])}`, (clinic) => {
      const emergency = { disabled, overrides, default_minutes: 60, max_minutes: 240, review_hours: 72, ...reached }
      clinic.apply('chartwarden.settings.changed.v1', { ...rest, emergency })
    }),
  )

export const emergencies: fc.Arbitrary<Happening> = fc
  .record({ subject: anyone, patient: anyPatient, purpose: fc.constantFrom('BTG' as const, 'ETREAT' as const), from: early, until: late })
  .map(({ from, until, ...rest }) =>
    happening(`emergency ${from} to ${until}`, (clinic) => {
      clinic.apply('chartwarden.emergency.opened.v1', { ...rest, until: at(until), review_due: at(noon + 100) }, from)
    }),
  )

/** What enrolment said, replaced: a patient more or less, or somebody else's, and an organisation or none. */
const updates = fc
  .record({ subject: fc.constantFrom(...people), own: maybe(anyPatient), member: fc.boolean() })
  .map(({ subject, own, member }) =>
    happening(`update ${JSON.stringify([own, member])}`, (clinic) => {
      const memberOf = member && subject !== people[2] ? [people[2]] : []
      clinic.apply('chartwarden.staff.updated.v1', { subject, member_of: memberOf, ...(own === undefined ? {} : { own_patient: own }) })
    }),
  )

const others = fc.oneof(
  { weight: 4, arbitrary: fc.oneof(joins, shares, consents, descriptions, emergencies) },
  { weight: 1, arbitrary: updates },
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
    happening(`revoke, withdraw and end entry-${index}`, (clinic) => {
      const id = `entry-${index}`
      for (const subject of people) clinic.apply('chartwarden.role.revoked.v1', { subject, role: '', grant_ids: [id] })
      clinic.apply('chartwarden.share.ended.v1', { share_id: id })
      clinic.apply('chartwarden.consent.withdrawn.v1', { consent_id: id, patient: patients[0] })
      closeEmergency(clinic, id, 'closed')
    }),
  ),
  fc.record({ subject: anyone, patient: anyPatient }).map(({ subject, patient: of }) =>
    happening('leave', (clinic) => {
      clinic.apply('chartwarden.careteam.left.v1', { subject, patient: of })
    }),
  ),
  fc.record({ subject: anyone, record: anyRecord }).map(({ subject, record: one }) =>
    happening('remove descriptions', (clinic) => {
      clinic.apply('chartwarden.subject.removed.v1', { subject })
      clinic.apply('chartwarden.resource.removed.v1', { resource_type: 'imaging', record: one })
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

export const closeEmergency = (clinic: ClinicFold, id: string, cause: 'closed' | 'expired'): void => {
  clinic.apply('chartwarden.emergency.closed.v1', { emergency_id: id, subject: people[0], patient: patients[0], cause })
}

/** Things that happen, roles first. */
export const happenings = ({ forbids = true, ends = true, clock = true }: Story = {}): fc.Arbitrary<readonly Happening[]> => {
  const story = { forbids, ends, clock }
  return fc
    .tuple(
      fc.array(define(story), { maxLength: 5, size: 'max' }),
      fc.array(
        fc.oneof(
          { weight: 1, arbitrary: define(story) },
          { weight: 5, arbitrary: grants },
          { weight: 8, arbitrary: others },
          { weight: 1, arbitrary: settings },
          ...(ends ? [{ weight: 1, arbitrary: endings }] : []),
        ),
        { maxLength: 25, size: 'max' },
      ),
    )
    .map(([first, then]) => [...first, ...then])
}

/** A clinic of four, to which these things happened. */
export const clinicOf = (story: readonly Happening[]): ClinicFold => {
  const clinic = createClinicFold()
  clinic.enrol(people[0], [people[2]])
  clinic.enrol(people[1], [], patients[1])
  clinic.enrol(people[2])
  clinic.enrol(people[3], [], patients[0])
  for (const { happen } of story) happen(clinic)
  return clinic
}

const stated = fc.record({
  resource: fc
    .record({ status: maybe(status), confidentiality: rarely(confidentiality), sensitivities: rarely(sensitivities) })
    .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))),
  subject: fc.constantFrom({}, { level: 'senior' }),
  caller: fc.constant('tests'),
  override: fc.boolean(),
})

export const requests: fc.Arbitrary<AccessRequest> = fc
  .record({
    subject: anyone,
    action,
    resourceType: type,
    record: maybe(anyRecord),
    patient: mostly(anyPatient),
    purpose: mostly(purpose),
    issuedAt: maybe(time),
    stated: maybe(stated),
    supportedObligations: fc.oneof(
      fc.constant('any' as const),
      fc.subarray(dutyKinds).map((kinds) => new Set(kinds)),
    ),
  })
  .map(({ record: one, patient: of, issuedAt, stated: said, ...rest }) => ({
    ...rest,
    ...(one === undefined ? {} : { record: one }),
    ...(of === undefined ? {} : { patient: of }),
    ...(said === undefined ? {} : { stated: said }),
    session: issuedAt === undefined ? {} : { issuedAt },
  }))

export const moments = fc.integer({ min: noon - 6, max: noon + 6 })
