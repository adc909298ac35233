/** Ledgers of every event type, for whoever follows them: real entries, drawn by fast-check. */
import fc from 'fast-check'
import type { EventData, EventType, SubjectReference } from '../../services/access/events.ts'
import { stateChanging } from '../../services/access/events.ts'
import type { Pseudonym } from '../../services/audit/vault.ts'
import type { LedgerScript, Written } from './ledger-script.ts'

export const everyType = Object.keys(stateChanging) as readonly EventType[]

/** One entry to write: what it is, and numbers that choose whom and what it is about. */
export interface Line {
  readonly type: EventType
  readonly who: number
  readonly other: number
  readonly what: number
}

interface World {
  readonly script: LedgerScript
  readonly people: readonly SubjectReference[]
  readonly patients: readonly Pseudonym[]
  /** Entries of the types that others refer to. */
  readonly earlier: Map<EventType, Written[]>
}

const roles = ['dentist', 'reception', 'hygienist']
const pick = <Value>(values: readonly Value[], place: number): Value => values[place % values.length] as Value

/** The place of a line in its world: everything that the shapes below need. */
const sceneOf = (world: World, { who, other, what }: Line) => {
  const at = (minutes: number) => new Date(world.script.nextTime() + minutes * 60_000).toISOString()
  return {
    subject: pick(world.people, who),
    actor: what % 4 === 0 ? { rule: 'scope/staff.write' } : { subject: pick(world.people, other), rule: 'role/administrator#1' },
    patient: pick(world.patients, other),
    role: pick(roles, what),
    what,
    /** Before, at or after the entry. */
    moment: at((what % 7) - 3),
    later: at(5 + (what % 11)),
    id: (type: EventType): string => {
      const known = world.earlier.get(type) ?? []
      return known.length === 0 ? '00000000-0000-4000-8000-000000000000' : pick(known, what).id
    },
  }
}

type Scene = ReturnType<typeof sceneOf>

const settled = {
  own_record: 'read',
  open_resource_types: [],
  consent_to_share: [],
  emergency: { disabled: false, overrides: [], default_minutes: 30, max_minutes: 60, review_hours: 72 },
} as const

/** One for every type of the vocabulary: a new type does not compile without. */
const shapes: { readonly [T in EventType]: (scene: Scene) => Omit<EventData[T], 'sealed'> } = {
  'chartwarden.clinic.registered.v1': ({ subject }) => ({ title: 'Again', time_zone: 'Europe/Lisbon', administrator: subject }),
  'chartwarden.identity.introduced.v1': ({ subject, what }) => ({
    kind: what % 2 === 0 ? 'subject' : 'patient',
    type: what % 2 === 0 ? 'staff' : '',
    pseudonym: `${subject.pseudonym}-${what}` as Pseudonym,
    commit: 'commit',
  }),
  'chartwarden.role.defined.v2': ({ actor, role }) => ({ actor, role, title: role, inherits: [], permissions: [] }),
  'chartwarden.role.retired.v1': ({ actor, role }) => ({ actor, role }),
  'chartwarden.staff.enrolled.v1': ({ actor, subject }) => ({ actor, subject, member_of: [] }),
  'chartwarden.staff.updated.v1': ({ actor, subject, patient }) => ({ actor, subject, own_patient: patient, member_of: [] }),
  'chartwarden.staff.offboarded.v1': ({ actor, subject, moment, what }) => ({
    actor,
    subject,
    effective: moment,
    unknown_subject: what % 5 === 0,
    ended: { grants: 0, shares: 0, relationships: 0, digest: '' },
  }),
  'chartwarden.staff.reinstated.v1': ({ actor, subject }) => ({ actor, subject }),
  'chartwarden.role.granted.v1': ({ actor, subject, role, moment, later, what }) => ({
    actor,
    subject,
    role,
    flags: [],
    ...(what % 3 === 0 ? { from: moment } : {}),
    ...(what % 2 === 0 ? { until: later } : {}),
  }),
  'chartwarden.role.revoked.v1': ({ actor, subject, role, id }) => ({
    actor,
    subject,
    role,
    grant_ids: [id('chartwarden.role.granted.v1')],
  }),
  'chartwarden.role.expired.v1': ({ subject, role, id, moment }) => ({
    subject,
    role,
    grant_id: id('chartwarden.role.granted.v1'),
    until: moment,
  }),
  'chartwarden.careteam.joined.v1': ({ actor, subject, patient, later }) => ({ actor, subject, patient, until: later }),
  'chartwarden.careteam.left.v1': ({ actor, subject, patient }) => ({ actor, subject, patient }),
  'chartwarden.careteam.expired.v1': ({ subject, patient, moment }) => ({ subject, patient, until: moment }),
  'chartwarden.record.shared.v1': ({ actor, subject, patient, later }) => ({
    actor,
    recipient: subject,
    patient,
    resource_types: ['imaging'],
    actions: ['read'],
    purpose: 'TREAT',
    until: later,
  }),
  'chartwarden.share.ended.v1': ({ actor, id }) => ({ actor, share_id: id('chartwarden.record.shared.v1') }),
  'chartwarden.share.expired.v1': ({ subject, patient, id, moment }) => ({
    share_id: id('chartwarden.record.shared.v1'),
    recipient: subject,
    patient,
    until: moment,
  }),
  'chartwarden.settings.changed.v1': ({ actor }) => ({ actor, ...settled }),
  'chartwarden.subject.described.v1': ({ actor, subject }) => ({ actor, subject, properties: { level: 1 } }),
  'chartwarden.subject.removed.v1': ({ actor, subject }) => ({ actor, subject }),
  'chartwarden.resource.described.v1': ({ actor, patient }) => ({
    actor,
    resource_type: 'imaging',
    record: `record-${patient}` as Pseudonym,
    patient,
    confidentiality: 'R',
    sensitivities: ['HIV'],
    properties: {},
  }),
  'chartwarden.resource.removed.v1': ({ actor, patient }) => ({
    actor,
    resource_type: 'imaging',
    record: `record-${patient}` as Pseudonym,
    patient,
  }),
  'chartwarden.consent.recorded.v1': ({ actor, patient, subject, later, what }) => ({
    actor,
    patient,
    resource_types: [],
    purposes: [],
    decision: what % 2 === 0 ? 'deny' : 'permit',
    until: later,
    ...(what % 3 === 0 ? { recipient: subject } : {}),
  }),
  'chartwarden.consent.withdrawn.v1': ({ actor, patient, id }) => ({ actor, patient, consent_id: id('chartwarden.consent.recorded.v1') }),
  'chartwarden.consent.expired.v1': ({ patient, id, moment }) => ({
    patient,
    consent_id: id('chartwarden.consent.recorded.v1'),
    until: moment,
  }),
  'chartwarden.emergency.opened.v1': ({ actor, subject, patient, later }) => ({
    actor,
    subject,
    patient,
    purpose: 'BTG',
    until: later,
    review_due: later,
  }),
  'chartwarden.emergency.closed.v1': ({ actor, subject, patient, id, what }) => ({
    actor,
    emergency_id: id('chartwarden.emergency.opened.v1'),
    subject,
    patient,
    cause: what % 2 === 0 ? 'closed' : 'expired',
  }),
  'chartwarden.emergency.reviewed.v1': ({ actor, subject, patient, id }) => ({
    actor,
    emergency_id: id('chartwarden.emergency.opened.v1'),
    subject,
    patient,
    outcome: 'justified',
  }),
  'chartwarden.access.decided.v1': ({ subject, patient, what, role }) => ({
    decision: what % 3 === 0 ? 'deny' : 'permit',
    reason_code: what % 3 === 0 ? 'no_grant' : 'role_permits',
    rule: what % 3 === 0 ? '' : 'role/dentist#1',
    obligations: [],
    intent: what % 5 === 0 ? 'probe' : 'access',
    subject,
    action: 'read',
    resource_type: 'imaging',
    patient,
    purpose: 'TREAT',
    roles: [role],
    state_revision: 0,
    ...(what % 11 === 0 ? { operation: 'grant_role' } : {}),
    ...(what % 7 === 1 ? { overrode: { reason_code: 'no_grant', rule: '' } } : {}),
  }),
  'chartwarden.access.recorded.v1': ({ subject, patient, moment, what }) => ({
    subject,
    action: 'view',
    resource_type: 'imaging',
    patient,
    purpose: 'UNSTATED',
    occurred_at: moment,
    flags: what % 2 === 0 ? [] : ['purpose_unstated'],
  }),
  'chartwarden.disclosure.recorded.v1': ({ subject, patient, moment, later, what }) => ({
    patient,
    recorded_by: subject,
    disclosed_at: moment,
    category: 'accountable',
    series: `series-${what % 3}` as Pseudonym,
    flags: [],
    ...(what % 4 === 0 ? { suspended_until: later } : {}),
  }),
  'chartwarden.concern.recorded.v1': ({ subject, patient, moment, id, what }) => ({
    patient,
    recorded_by: subject,
    raised_at: moment,
    ...(what % 2 === 0
      ? { kind: 'dispute', about_entry_id: id('chartwarden.access.decided.v1') }
      : { kind: 'answer', concern_id: id('chartwarden.concern.recorded.v1'), outcome: 'denied' }),
  }),
  'chartwarden.trail.viewed.v1': ({ actor, patient }) => ({ actor, query: 'access_history', streamed: false, patient }),
  'chartwarden.refusals.summarised.v1': ({ moment, later }) => ({ from: moment, until: later, refusals: [] }),
  'chartwarden.ledger.checked.v1': ({ what }) => ({
    size: String(what),
    root: emptyTreeRoot,
    result: 'intact',
    faults: [],
    compared: [],
    cause: 'schedule',
  }),
  'chartwarden.backup.drilled.v1': ({ moment, what }) => ({
    backup: what + 1,
    backed_up_at: moment,
    entries: String(what),
    bytes: '0',
    clinics: 1,
    duration_ms: what,
    result: 'restored',
    cause: 'schedule',
  }),
  'chartwarden.ledger.imported.v1': ({ actor, what }) => ({ actor, size: String(what), root: emptyTreeRoot, origin: 'log.example/north' }),
  'chartwarden.log.keyadded.v1': ({ actor, later }) => ({
    actor,
    verifier_key: 'log.example/north+530d903a+key',
    retiring: [],
    retire_at: later,
  }),
  'chartwarden.log.restarted.v1': ({ what }) => ({
    retired_origin: 'log.example/north',
    origin: 'log.example/north/2',
    signed_size: String(what),
    signed_root: emptyTreeRoot,
    cause: 'restored_backup',
  }),
  'chartwarden.keys.exported.v1': ({ actor }) => ({ actor, recipient: 'recipient' }),
}

const emptyTreeRoot = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='

/** Lines of every type, each at least once, those that read models rest on more often, in any order. */
export const lines: fc.Arbitrary<readonly Line[]> = fc
  .tuple(
    fc.array(
      fc.constantFrom<EventType>(
        'chartwarden.access.decided.v1',
        'chartwarden.access.recorded.v1',
        'chartwarden.staff.offboarded.v1',
        'chartwarden.staff.reinstated.v1',
        'chartwarden.role.granted.v1',
        'chartwarden.role.revoked.v1',
        'chartwarden.emergency.opened.v1',
        ...everyType,
      ),
      { minLength: 12, maxLength: 24 },
    ),
    fc.array(fc.tuple(fc.nat(50), fc.nat(50), fc.nat(1_000)), { minLength: 40 + everyType.length, maxLength: 40 + everyType.length }),
  )
  .chain(([more, numbers]) =>
    fc.shuffledSubarray([...everyType, ...more], { minLength: everyType.length + more.length }).map((types) =>
      types.map((type, place) => {
        const [who = 0, other = 0, what = 0] = numbers[place] ?? []
        return { type, who, other, what }
      }),
    ),
  )

export const openWorld = async (script: LedgerScript): Promise<World> => ({
  script,
  people: [await script.staff('anna'), await script.staff('ben'), await script.staff('carla')],
  patients: [await script.patient('p-1'), await script.patient('p-2')],
  earlier: new Map(),
})

/** The data of a line, as the vocabulary says. */
const dataOf = (world: World, line: Line): object => shapes[line.type](sceneOf(world, line))

export const writeLine = async (world: World, line: Line): Promise<Written> => {
  const written = await world.script.writeRaw(line.type, dataOf(world, line), { sealed: { reason: 'a reason' } })
  world.earlier.set(line.type, [...(world.earlier.get(line.type) ?? []), written])
  return written
}
