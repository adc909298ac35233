/** The story of a clinic with a past: what `snapshot.ts` opens. */
import type { EventData, EventType } from '../services/access/events.ts'
import { builtinRoles } from '../services/access/policy/builtin/builtin-roles.ts'
import { at, lab, noon, patient, permission, record, staff } from '../test/support/clinic-fold.ts'

export const size = {
  past: 2_000,
  staff: 200,
  shares: 20_000,
  memberships: 20_000,
  conditions: 50,
  resources: 5_000,
  consents: 3_000,
}

export type Size = typeof size

/** Nothing but people, roles and shares. */
export const sharesOnly: Size = { ...size, memberships: 0, resources: 0, consents: 0 }

export interface Told {
  readonly type: EventType
  readonly data: object
}

const day = 86_400_000
const actor = { rule: 'scope/staff.write' }

/** State-changing events of the clinic, in order; the actor is the calling software. */
export function* storyOfClinic(size: Size): Generator<Told> {
  const tell = <T extends EventType>(type: T, data: Omit<EventData[T], 'actor'>): Told => ({ type, data: { actor, ...data } })
  const labs = Array.from({ length: 20 }, (_, index) => lab(`${index}`))
  const people = Array.from({ length: size.past + size.staff }, (_, index) => staff(`person-${index}`))
  const working = people.slice(size.past)
  const roles = builtinRoles()
  const of = <Item>(items: readonly Item[], index: number): Item => items[index % items.length] as Item

  yield { type: 'chartwarden.clinic.registered.v1', data: { title: 'Praxis', time_zone: 'Europe/Berlin', administrator: of(working, 0) } }
  for (const [index, role] of roles.entries()) {
    const own = Array.from({ length: Math.ceil((size.conditions - index) / roles.length) }, (_, number) => ({
      ...permission('prescription', 'read', { id: `conditional-${number}` }),
      condition: `resource.properties.status == "open" && subject.properties.level >= ${number} && context.purpose == "TREAT"`,
    }))
    yield tell('chartwarden.role.defined.v2', { ...role, permissions: [...role.permissions, ...own] })
  }
  for (const one of labs) yield tell('chartwarden.staff.enrolled.v1', { subject: one, member_of: [] })
  for (const [index, subject] of people.entries()) {
    yield tell('chartwarden.staff.enrolled.v1', {
      subject,
      member_of: index % 10 === 0 ? [of(labs, index)] : [],
      own_patient: patient(`own-${index}`),
    })
    yield tell('chartwarden.role.granted.v1', { subject, role: of(roles, index).role, flags: [], until: at(noon + day) })
    if (index >= size.past) yield tell('chartwarden.subject.described.v1', { subject, properties: { level: index % 5 } })
    else {
      const ended = { grants: 1, shares: 0, relationships: 0, digest: '' }
      yield tell('chartwarden.staff.offboarded.v1', { subject, effective: at(noon), unknown_subject: false, ended })
    }
  }
  for (let index = 0; index < size.memberships; index += 1) {
    yield tell('chartwarden.careteam.joined.v1', { patient: patient(`${index}`), subject: of(working, index) })
  }
  for (let index = 0; index < size.resources; index += 1) {
    yield tell('chartwarden.resource.described.v1', {
      resource_type: 'imaging',
      record: record('imaging', `${index}`),
      patient: patient(`${index}`),
      confidentiality: 'R',
      sensitivities: index % 2 === 0 ? ['HIV'] : [],
      properties: { status: 'final', age_days: index % 90 },
    })
  }
  for (let index = 0; index < size.consents; index += 1) {
    const some = { resource_types: index % 2 === 0 ? ['imaging'] : [], purposes: index % 3 === 0 ? ['TREAT'] : [] }
    const decision = index % 2 === 0 ? 'deny' : 'permit'
    yield tell('chartwarden.consent.recorded.v1', { patient: patient(`${index * 3}`), recipient: of(labs, index), ...some, decision })
  }
  for (let index = 0; index < size.shares; index += 1) {
    yield tell('chartwarden.record.shared.v1', {
      recipient: of(labs, index),
      patient: patient(`${(index * 7) % 8_000}`),
      resource_types: ['imaging', 'lab_report'],
      records: [record('imaging', `${index}`), record('lab_report', `${index}`)],
      actions: ['read'],
      purpose: 'TREAT',
      until: at(noon + day),
    })
  }
}

/** Changes that come after the snapshot. */
export function* laterChanges(count: number): Generator<Told> {
  for (let index = 0; index < count; index += 1) {
    yield {
      type: 'chartwarden.careteam.joined.v1',
      data: { actor, patient: patient(`later-${index}`), subject: staff(`person-${size.past}`) },
    }
  }
}
