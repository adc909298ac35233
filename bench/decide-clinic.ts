/** A large clinic and distinct questions about it, the same in every run: what `decide.ts` measures. */
import type { AccessRequest } from '../services/access/decide.ts'
import type { Confidentiality, Permission } from '../services/access/events.ts'
import { builtinRoles } from '../services/access/policy/builtin/builtin-roles.ts'
import type { RoleDefinition } from '../services/access/policy/roles.ts'
import type { Pseudonym } from '../services/audit/vault.ts'
import { at, type ClinicFold, createClinicFold, lab, noon, patient, record, staff } from '../test/support/clinic-fold.ts'

export const size = {
  staff: 200,
  roles: 30,
  conditions: 50,
  patients: 20_000,
  shares: 20_000,
  sharedPatients: 5_000,
  consents: 2_000,
  labelledRecords: 10_000,
  employees: 100,
} as const

/** Numbers in [0, below) that look random and are the same in every run (xorshift32). */
const createPick = (seed: number): ((below: number) => number) => {
  let bits = seed
  return (below) => {
    bits ^= bits << 13
    bits ^= bits >>> 17
    bits ^= bits << 5
    return (bits >>> 0) % below
  }
}

const labs = ['crowns', 'bridges', 'imaging', 'pathology'].map(lab)
const people = Array.from({ length: size.staff }, (_, index) => staff(`person-${index}`))
const patients = Array.from({ length: size.patients }, (_, index) => patient(`${index}`))

/** What the clinic added to the built-in roles: one, two or four comparisons, no two expressions alike. */
const conditional = (number: number): Permission => {
  const parts = [
    `resource.properties.age_days < ${30 + number}`,
    "resource.properties.status == 'open'",
    `subject.properties.level >= ${number % 5}`,
    "context.site == 'main'",
  ]
  return {
    id: `conditional-${number}`,
    resource_type: number < size.roles ? 'prescription' : 'perio_chart',
    actions: ['read', 'update'],
    effect: 'permit',
    bounds: [],
    purposes: [],
    condition: parts.slice(0, [1, 2, 4][number % 3]).join(' && '),
  }
}

/** Five of each built-in role; the first twenty have two permissions with a condition, the others one. */
const roles = (): readonly RoleDefinition[] => {
  const kinds = builtinRoles()
  return Array.from({ length: size.roles }, (_, index) => {
    const kind = kinds[index % kinds.length] as RoleDefinition
    const own = [conditional(index), ...(index < size.conditions - size.roles ? [conditional(size.roles + index)] : [])]
    return {
      ...kind,
      role: `${kind.role}_${index}`,
      permissions: [...kind.permissions, ...own],
      clearance: { confidentiality: index % 3 === 0 ? 'R' : 'N', sensitivities: index % 4 === 0 ? ['BH', 'VIP'] : [] },
    }
  })
}

const purposeOf = (role: number): string => ['PATADMIN', 'TREAT', 'TREAT', 'PATADMIN', 'TREAT', 'HCOMPL'][role % 6] as string

/**
 * Everyone has one role, every fifth a second one, half of them until a day. `bare`: no directives, no described records, and nobody is a
 * patient, so that nothing restricts a record.
 */
export const createLargeClinic = ({ bare = false } = {}): ClinicFold => {
  const clinic = createClinicFold()
  const pick = createPick(7)
  for (const definition of roles()) clinic.define(definition)
  const names = roles().map(({ role }) => role)
  people.forEach((subject, index) => {
    const technician = index % 6 === 4
    clinic.enrol(
      subject,
      technician ? [labs[((index / 6) % 4) | 0] as (typeof labs)[number]] : [],
      !bare && index < size.employees ? patients[index] : undefined,
    )
    clinic.grant(subject, names[index % size.roles] as string, index % 2 === 0 ? {} : { until: noon + 86_400_000 })
    if (index % 5 === 0) clinic.grant(subject, names[(index + 7) % size.roles] as string)
    clinic.apply('chartwarden.subject.described.v1', { subject, properties: { level: index % 7 } })
  })
  patients.forEach((one, index) => {
    for (const member of [0, 1, 2]) {
      const subject = people[(6 * (index + member * 7) + 1 + (member % 2)) % size.staff] as (typeof people)[number]
      clinic.apply('chartwarden.careteam.joined.v1', { patient: one, subject })
    }
  })
  for (let index = 0; index < size.shares; index += 1) {
    const of = index % size.sharedPatients
    clinic.apply('chartwarden.record.shared.v1', {
      recipient: labs[pick(4)] as (typeof labs)[number],
      patient: patients[of] as (typeof patients)[number],
      resource_types: ['imaging', 'lab_report'],
      ...(index % 2 === 0 ? {} : { records: [record('imaging', `${of}-0`), record('lab_report', `${of}-1`)] }),
      actions: ['read', 'update'],
      purpose: 'TREAT',
      until: at(noon + 86_400_000),
    })
  }
  if (bare) return clinic
  for (let index = 0; index < size.consents; index += 1) {
    clinic.apply('chartwarden.consent.recorded.v1', {
      patient: patients[pick(size.patients)] as (typeof patients)[number],
      ...(index % 2 === 0 ? {} : { recipient: people[pick(size.staff)] as (typeof people)[number] }),
      resource_types: index % 3 === 0 ? ['imaging'] : [],
      purposes: index % 4 === 0 ? ['TREAT'] : [],
      decision: index % 3 === 0 ? 'permit' : 'deny',
    })
  }
  for (let index = 0; index < size.labelledRecords; index += 1) {
    clinic.apply('chartwarden.resource.described.v1', {
      resource_type: 'imaging',
      record: record('imaging', `${pick(size.patients)}-${pick(3)}`),
      confidentiality: (['N', 'N', 'R', 'V'] as const)[pick(4)] as Confidentiality,
      sensitivities: index % 5 === 0 ? ['PSY'] : [],
      properties: { status: 'open', age_days: index % 90 },
    })
  }
  return clinic
}

const supportedObligations = new Set(['fields', 'until_accepted', 'own_entries', 'addendum_only', 'until_sent', 'purpose_stated'])
/** Who asks what about which record, by number. */
export interface Question {
  readonly person: number
  readonly patient: number
  readonly record: number
  readonly pseudonym: Pseudonym
  readonly resourceType: string
  readonly action: string
  /** What the caller states; undefined: nothing. */
  readonly stated?: { readonly status: string; readonly age_days: number }
}

const distinct = (number: number, make: () => Omit<Question, 'pseudonym'>): readonly Question[] => {
  const found = new Map<string, Question>()
  while (found.size < number) {
    const question = make()
    const { person, patient: of, record: one, resourceType, action } = question
    found.set([person, of, one, resourceType, action].join(), { ...question, pseudonym: record(resourceType, `${of}-${one}`) })
  }
  return [...found.values()]
}

/** Equal to the texts that the state holds and not the very same, as those that a service has of the people and patients it knows. */
const copied = <T extends string>(text: T): T => Buffer.from(text).toString() as T
const askingPeople = people.map(({ type, pseudonym }) => ({ type, pseudonym: copied(pseudonym) }))
const askedPatients = patients.map(copied)

/** The request as a service makes it of a message. */
export const requestOf = ({ person, patient: of, pseudonym, resourceType, action, stated }: Question): AccessRequest => ({
  subject: { ...(askingPeople[person] as (typeof askingPeople)[number]) },
  resourceType,
  action,
  patient: askedPatients[of] as (typeof askedPatients)[number],
  record: pseudonym,
  purpose: purposeOf(person),
  supportedObligations,
  ...(stated === undefined ? {} : { stated: { resource: stated, context: { site: 'main' }, caller: 'practice', override: false } }),
})

const clinicalTypes = ['appointment', 'medical_history', 'treatment_record', 'clinical_note', 'imaging', 'lab_report', 'invoice', 'message']
const sharedTypes = ['imaging', 'lab_report', 'treatment_record']
const actions = ['read', 'read', 'read', 'update', 'create', 'share']

/** Anybody about anybody, and every tenth time people of a lab about what may be shared with them. */
export const plainQuestions = (number: number): readonly Question[] => {
  const pick = createPick(11)
  return distinct(number, () => {
    const technician = pick(10) === 0
    return {
      person: technician ? 4 + 6 * pick(33) : pick(size.staff),
      patient: pick(technician ? size.sharedPatients : size.patients),
      record: pick(3),
      resourceType: (technician ? sharedTypes[pick(sharedTypes.length)] : clinicalTypes[pick(clinicalTypes.length)]) as string,
      action: actions[pick(actions.length)] as string,
    }
  })
}

/** About what only a permission with a condition speaks of. */
export const conditionalQuestions = (number: number): readonly Question[] => {
  const pick = createPick(13)
  return distinct(number, () => {
    const person = pick(size.staff)
    const hasBoth = person % size.roles < size.conditions - size.roles
    return {
      person,
      patient: pick(size.patients),
      record: pick(3),
      resourceType: hasBoth && pick(2) === 0 ? 'perio_chart' : 'prescription',
      action: pick(2) === 0 ? 'read' : 'update',
      stated: { status: pick(5) === 0 ? 'closed' : 'open', age_days: pick(90) },
    }
  })
}
