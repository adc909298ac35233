import { createHash } from 'node:crypto'
import type { AccessRequest } from '../../services/access/decide.ts'
import {
  type AccessEvent,
  type Bound,
  type Effect,
  type EventData,
  type Permission,
  type SubjectReference,
  stateChanging,
} from '../../services/access/events.ts'
import type { RoleDefinition } from '../../services/access/policy/roles.ts'
import { type ClinicState, emptyState, evolve } from '../../services/access/state.ts'
import type { IdentityKind, Pseudonym } from '../../services/audit/vault.ts'

/** Looks like the vault's pseudonym and is as unique, without a key. */
const pseudonym = (kind: IdentityKind, type: string, id: string): Pseudonym =>
  createHash('sha256').update(`${kind}\n${type}\n${id}`).digest('base64url') as Pseudonym

export const subject = (type: string, id: string): SubjectReference => ({ type, pseudonym: pseudonym('subject', type, id) })
export const staff = (id: string): SubjectReference => subject('staff', id)
export const lab = (id: string): SubjectReference => subject('lab', id)
export const patient = (id: string): Pseudonym => pseudonym('patient', '', id)
export const record = (type: string, id: string): Pseudonym => pseudonym('record', type, id)

/** A moment of the tests, in milliseconds since the epoch. */
export const noon = Date.parse('2026-11-23T12:00:00.000Z')

export const at = (time: number): string => new Date(time).toISOString()

const actor = { rule: 'scope/staff.write' }

/** Data of an event without what every administrative one has. */
type Given<T extends keyof EventData> = Omit<EventData[T], 'actor' | 'sealed'>

export interface ClinicFold {
  readonly state: ClinicState
  readonly events: readonly AccessEvent[]
  /** Folds one event; returns its id. */
  apply<T extends keyof EventData>(type: T, data: Given<T>, time?: number): string
  /** Folds events planned elsewhere; returns the ids. */
  applyAll(planned: readonly { readonly type: keyof EventData; readonly data: object }[], time?: number): readonly string[]
  last(): AccessEvent
  define(definition: RoleDefinition): void
  enrol(subject: SubjectReference, memberOf?: readonly SubjectReference[], ownPatient?: Pseudonym): void
  grant(subject: SubjectReference, role: string, period?: { readonly from?: number; readonly until?: number }): string
}

/** A clinic's state and the events it came from, as the writer would have folded them. */
export const createClinicFold = (): ClinicFold => {
  const state = emptyState()
  const events: AccessEvent[] = []

  const fold = (type: keyof EventData, data: object, time: number): string => {
    const revision = BigInt(events.length)
    const event = { type, id: `entry-${revision}`, revision, time, caller: 'tests', data } as unknown as AccessEvent
    events.push(event)
    evolve(state, event)
    return event.id
  }

  const apply: ClinicFold['apply'] = (type, data, time = noon) =>
    fold(type, stateChanging[type] && type !== 'chartwarden.clinic.registered.v1' ? { actor, ...data } : data, time)

  return {
    state,
    events,
    apply,
    applyAll: (planned, time = noon) => planned.map(({ type, data }) => fold(type, data, time)),
    last: () => events.at(-1) as AccessEvent,
    define: (definition) => {
      apply('chartwarden.role.defined.v2', definition)
    },
    enrol: (subject, memberOf = [], ownPatient) => {
      const own = ownPatient === undefined ? {} : { own_patient: ownPatient }
      apply('chartwarden.staff.enrolled.v1', { subject, member_of: memberOf, ...own })
    },
    grant: (subject, role, { from, until } = {}) =>
      apply('chartwarden.role.granted.v1', {
        subject,
        role,
        ...(from === undefined ? {} : { from: at(from) }),
        ...(until === undefined ? {} : { until: at(until) }),
        flags: [],
      }),
  }
}

/** A permission with little to say. */
export const permission = (
  resourceType: string,
  action: string,
  rest: { readonly id?: string; readonly effect?: Effect; readonly bounds?: readonly Bound[]; readonly purposes?: readonly string[] } = {},
): Permission => ({
  id: rest.id ?? `${resourceType}.${action}`,
  resource_type: resourceType,
  actions: [action],
  effect: rest.effect ?? (rest.bounds === undefined ? 'permit' : 'limited'),
  bounds: rest.bounds ?? [],
  purposes: rest.purposes ?? [],
})

export const role = (name: string, permissions: readonly Permission[], inherits: readonly string[] = []): RoleDefinition => ({
  role: name,
  title: name,
  inherits,
  permissions,
})

/** A clinic's question with nothing special about it. */
export const question = (
  subject: SubjectReference,
  resourceType: string,
  action: string,
  rest: Partial<AccessRequest> = {},
): AccessRequest => ({
  subject,
  resourceType,
  action,
  purpose: 'TREAT',
  supportedObligations: new Set(),
  ...rest,
})
