/** What the words of a policy case mean: happenings as events of a clinic, a question as a request. */
import { readFileSync } from 'node:fs'
import type { AccessRequest } from '../../services/access/decide.ts'
import type { Confidentiality, EmergencyOverride, OwnRecord, Properties, SubjectReference } from '../../services/access/events.ts'
import { builtinRoles } from '../../services/access/policy/builtin/builtin-roles.ts'
import { importRoles } from '../../services/access/policy/import/import-roles.ts'
import { definitionOf, type RoleDraft } from '../../services/access/policy/role-draft.ts'
import type { RoleDefinition } from '../../services/access/policy/roles.ts'
import { validateRole } from '../../services/access/policy/validate-role.ts'
import { defaultSettings } from '../../services/access/state/settings.ts'
import type { Pseudonym } from '../../services/audit/vault.ts'
import { type ClinicFold, createClinicFold, patient, record, subject as subjectReference } from './clinic-fold.ts'

interface PermissionText {
  readonly id?: string
  readonly on: string
  readonly do: readonly string[]
  readonly effect?: 'permit' | 'limited' | 'forbid'
  readonly bounds?: readonly (string | { readonly kind: string; readonly codes: readonly string[] })[]
  readonly purposes?: readonly string[]
  readonly condition?: string
}

interface PeriodText {
  readonly from?: string
  readonly until?: string
}

export type HappeningText =
  | {
      readonly happens: 'define'
      readonly role: string
      readonly inherits?: readonly string[]
      readonly clearance?: { readonly confidentiality: Confidentiality; readonly sensitivities?: readonly string[] }
      readonly permissions?: readonly PermissionText[]
      readonly unchecked?: true
    }
  | { readonly happens: 'retire'; readonly role: string }
  | {
      readonly happens: 'enrol'
      readonly subjects: readonly string[]
      readonly own_patient?: string
      readonly member_of?: readonly string[]
      readonly grants?: readonly string[]
    }
  | { readonly happens: 'update'; readonly subject: string; readonly own_patient?: string; readonly member_of?: readonly string[] }
  | { readonly happens: 'offboard'; readonly subject: string; readonly at?: string; readonly unknown?: true }
  | { readonly happens: 'reinstate'; readonly subject: string; readonly member_of?: readonly string[] }
  | ({ readonly happens: 'grant'; readonly as?: string; readonly subject: string; readonly role: string } & PeriodText)
  | { readonly happens: 'revoke'; readonly subject: string; readonly grants: readonly string[] }
  | ({ readonly happens: 'join'; readonly subject: string; readonly patient: string } & PeriodText)
  | { readonly happens: 'leave'; readonly subject: string; readonly patient: string }
  | {
      readonly happens: 'share'
      readonly as?: string
      readonly with: string
      readonly patient: string
      readonly types: readonly string[]
      readonly records?: readonly string[]
      readonly actions: readonly string[]
      readonly purpose?: string
      readonly until?: string
    }
  | { readonly happens: 'end_share'; readonly share: string }
  | ({
      readonly happens: 'consent'
      readonly as?: string
      readonly patient: string
      readonly recipient?: string
      readonly types?: readonly string[]
      readonly purposes?: readonly string[]
      readonly decision: 'permit' | 'deny'
    } & PeriodText)
  | { readonly happens: 'withdraw'; readonly consent: string; readonly patient: string }
  | {
      readonly happens: 'describe'
      readonly subject?: string
      readonly resource?: string
      readonly patient?: string
      readonly confidentiality?: Confidentiality
      readonly sensitivities?: readonly string[]
      readonly properties?: Properties
    }
  | { readonly happens: 'remove'; readonly subject?: string; readonly resource?: string }
  | {
      readonly happens: 'settle'
      readonly own_record?: OwnRecord
      readonly open_resource_types?: readonly string[]
      readonly consent_to_share?: readonly string[]
      readonly no_emergency?: true
      readonly emergency_overrides?: readonly EmergencyOverride[]
      readonly emergency_types?: readonly string[]
      readonly read_actions?: readonly string[]
      readonly write_actions?: readonly string[]
    }
  | {
      readonly happens: 'emergency'
      readonly as?: string
      readonly subject: string
      readonly patient: string
      readonly purpose?: 'BTG' | 'ETREAT'
      readonly at?: string
      readonly until?: string
    }
  | {
      readonly happens: 'close'
      readonly emergency: string
      readonly subject: string
      readonly patient: string
      readonly cause?: 'closed' | 'expired'
      readonly at?: string
    }
  | { readonly happens: 'review'; readonly emergency: string; readonly subject: string; readonly patient: string }
  | {
      readonly happens: 'expire'
      readonly subject?: string
      readonly patient?: string
      readonly grant?: string
      readonly share?: string
      readonly consent?: string
    }

export type History = readonly HappeningText[]

export interface AskedFor {
  readonly subject?: string
  readonly action?: string
  readonly resource?: string
  readonly patient?: string | null
  readonly purpose?: string | null
  readonly properties?: { readonly subject?: Properties; readonly action?: Properties; readonly resource?: Properties }
  readonly context?: Properties
  readonly caller?: string
  readonly override?: boolean
  readonly supports?: 'any' | readonly string[]
  readonly signed_in?: string
  readonly at?: string
}

const day = '2026-11-23'
const noon = '12:00'
const evening = '18:00'

/** `12:00`, `12:00:00.001` or a whole RFC 3339 time, in milliseconds since the epoch. */
export const momentOf = (text: string): number => {
  const whole = text.includes('T') ? text : `${day}T${text.length === 5 ? `${text}:00` : text}`
  return Date.parse(whole.endsWith('Z') ? whole : `${whole}Z`)
}

const timeText = (text: string): string => new Date(momentOf(text)).toISOString()

const periodOf = ({ from, until }: PeriodText) => ({
  ...(from === undefined ? {} : { from: timeText(from) }),
  ...(until === undefined ? {} : { until: timeText(until) }),
})

const referenceOf = (text: string): SubjectReference => {
  const [first = '', second] = text.split('/')
  return second === undefined ? subjectReference('staff', first) : subjectReference(first, second)
}

/** `type:id`; a patient is the patient itself. */
const resourceOf = (text: string): { readonly type: string; readonly record?: Pseudonym } => {
  const [type = '', id] = text.split(':')
  if (id === undefined) return { type }
  return { type, record: type === 'patient' ? patient(id) : record(type, id) }
}

const draftOf = ({ role, inherits = [], clearance, permissions = [] }: Extract<HappeningText, { happens: 'define' }>): RoleDraft => ({
  role,
  title: role,
  inherits,
  ...(clearance === undefined
    ? {}
    : { clearance: { confidentiality: clearance.confidentiality, sensitivities: clearance.sensitivities ?? [] } }),
  permissions: permissions.map(({ id = '', on, do: actions, effect, bounds = [], purposes = [], condition = '' }) => ({
    id,
    resource_type: on,
    actions,
    effect: effect ?? (bounds.length === 0 ? 'permit' : 'limited'),
    bounds: bounds.map((bound) => (typeof bound === 'string' ? { kind: bound, codes: [] } : bound)),
    purposes,
    condition,
  })),
})

const defined = (text: Extract<HappeningText, { happens: 'define' }>): RoleDefinition => {
  const draft = draftOf(text)
  const [violation] = text.unchecked === true ? [] : validateRole(draft)
  if (violation !== undefined) throw new Error(`role ${text.role}: ${violation.field} ${violation.description}`)
  return definitionOf(draft)
}

const openEmr = new URL('../fixtures/roles/openemr-acl.csv', import.meta.url)

/** OpenEMR's table of groups, imported. */
export const openEmrImport = () => {
  const imported = importRoles({ roles: readFileSync(openEmr, 'utf8') })
  if (imported.kind === 'problems') throw new Error(`OpenEMR's table: ${imported.problems[0]?.message}`)
  return imported
}

const happen = (clinic: ClinicFold, ids: Map<string, string>, text: HappeningText): string | undefined => {
  const named = (name: string): string => {
    const id = ids.get(name)
    if (id === undefined) throw new Error(`nothing is named ${name}`)
    return id
  }
  switch (text.happens) {
    case 'define':
      return clinic.apply('chartwarden.role.defined.v2', defined(text))
    case 'retire':
      return clinic.apply('chartwarden.role.retired.v1', { role: text.role })
    case 'enrol': {
      const { own_patient: own, member_of: memberOf = [], grants = [] } = text
      for (const one of text.subjects) {
        clinic.enrol(referenceOf(one), memberOf.map(referenceOf), own === undefined ? undefined : patient(own))
        for (const role of grants) clinic.grant(referenceOf(one), role)
      }
      return undefined
    }
    case 'update': {
      const { own_patient: own, member_of: memberOf = [] } = text
      const data = { subject: referenceOf(text.subject), member_of: memberOf.map(referenceOf) }
      return clinic.apply('chartwarden.staff.updated.v1', { ...data, ...(own === undefined ? {} : { own_patient: patient(own) }) })
    }
    case 'offboard': {
      const time = momentOf(text.at ?? '10:00')
      const ended = { grants: 0, shares: 0, relationships: 0, digest: '' }
      const data = {
        subject: referenceOf(text.subject),
        effective: new Date(time).toISOString(),
        unknown_subject: text.unknown === true,
        ended,
      }
      return clinic.apply('chartwarden.staff.offboarded.v1', data, time)
    }
    case 'reinstate': {
      const { member_of: memberOf = [] } = text
      return clinic.apply('chartwarden.staff.reinstated.v1', { subject: referenceOf(text.subject), member_of: memberOf.map(referenceOf) })
    }
    case 'grant':
      return clinic.apply('chartwarden.role.granted.v1', {
        subject: referenceOf(text.subject),
        role: text.role,
        flags: [],
        ...periodOf(text),
      })
    case 'revoke':
      return clinic.apply('chartwarden.role.revoked.v1', {
        subject: referenceOf(text.subject),
        role: '',
        grant_ids: text.grants.map(named),
      })
    case 'join':
      return clinic.apply('chartwarden.careteam.joined.v1', {
        subject: referenceOf(text.subject),
        patient: patient(text.patient),
        ...periodOf(text),
      })
    case 'leave':
      return clinic.apply('chartwarden.careteam.left.v1', { subject: referenceOf(text.subject), patient: patient(text.patient) })
    case 'share':
      return clinic.apply('chartwarden.record.shared.v1', {
        recipient: referenceOf(text.with),
        patient: patient(text.patient),
        resource_types: text.types,
        ...(text.records === undefined ? {} : { records: text.records.flatMap((one) => resourceOf(one).record ?? []) }),
        actions: text.actions,
        purpose: text.purpose ?? 'TREAT',
        until: timeText(text.until ?? evening),
      })
    case 'end_share':
      return clinic.apply('chartwarden.share.ended.v1', { share_id: named(text.share) })
    case 'consent':
      return clinic.apply('chartwarden.consent.recorded.v1', {
        patient: patient(text.patient),
        ...(text.recipient === undefined ? {} : { recipient: referenceOf(text.recipient) }),
        resource_types: text.types ?? [],
        purposes: text.purposes ?? [],
        decision: text.decision,
        ...periodOf(text),
      })
    case 'withdraw':
      return clinic.apply('chartwarden.consent.withdrawn.v1', { consent_id: named(text.consent), patient: patient(text.patient) })
    case 'describe': {
      const { subject, resource = '', patient: of, confidentiality = 'N', sensitivities = [], properties = {} } = text
      if (subject !== undefined) return clinic.apply('chartwarden.subject.described.v1', { subject: referenceOf(subject), properties })
      const { type, record: one } = resourceOf(resource)
      if (one === undefined) throw new Error(`${resource} is no one resource`)
      return clinic.apply('chartwarden.resource.described.v1', {
        resource_type: type,
        record: one,
        ...(of === undefined ? {} : { patient: patient(of) }),
        confidentiality,
        sensitivities,
        properties,
      })
    }
    case 'remove': {
      if (text.subject !== undefined) return clinic.apply('chartwarden.subject.removed.v1', { subject: referenceOf(text.subject) })
      const { type, record: one } = resourceOf(text.resource ?? '')
      if (one === undefined) throw new Error(`${text.resource} is no one resource`)
      return clinic.apply('chartwarden.resource.removed.v1', { resource_type: type, record: one })
    }
    case 'settle': {
      const { own_record, open_resource_types, consent_to_share, no_emergency, emergency_overrides } = text
      const { emergency_types: types, read_actions: reading, write_actions: writing } = text
      return clinic.apply('chartwarden.settings.changed.v1', {
        own_record: own_record ?? defaultSettings.own_record,
        open_resource_types: open_resource_types ?? defaultSettings.open_resource_types,
        consent_to_share: consent_to_share ?? defaultSettings.consent_to_share,
        emergency: {
          ...defaultSettings.emergency,
          disabled: no_emergency === true,
          overrides: emergency_overrides ?? defaultSettings.emergency.overrides,
          ...(types === undefined ? {} : { resource_types: types }),
          ...(reading === undefined ? {} : { read_actions: reading }),
          ...(writing === undefined ? {} : { write_actions: writing }),
        },
      })
    }
    case 'emergency': {
      const { subject, patient: of, purpose = 'BTG', at = '11:30', until = '12:30' } = text
      const when = { until: timeText(until), review_due: timeText(evening) }
      return clinic.apply(
        'chartwarden.emergency.opened.v1',
        { subject: referenceOf(subject), patient: patient(of), purpose, ...when },
        momentOf(at),
      )
    }
    case 'close': {
      const { emergency, subject, patient: of, cause = 'closed', at = noon } = text
      const data = { emergency_id: named(emergency), subject: referenceOf(subject), patient: patient(of), cause }
      return clinic.apply('chartwarden.emergency.closed.v1', data, momentOf(at))
    }
    case 'review': {
      const { emergency, subject, patient: of } = text
      const data = { emergency_id: named(emergency), subject: referenceOf(subject), patient: patient(of), outcome: 'justified' as const }
      return clinic.apply('chartwarden.emergency.reviewed.v1', data)
    }
    case 'expire': {
      const until = timeText(noon)
      const of = patient(text.patient ?? '')
      const subject = referenceOf(text.subject ?? '')
      if (text.grant !== undefined)
        return clinic.apply('chartwarden.role.expired.v1', { subject, role: '', grant_id: named(text.grant), until })
      if (text.share !== undefined) {
        return clinic.apply('chartwarden.share.expired.v1', { share_id: named(text.share), recipient: subject, patient: of, until })
      }
      return clinic.apply('chartwarden.consent.expired.v1', { consent_id: named(text.consent ?? ''), patient: of, until })
    }
    default:
      return text satisfies never
  }
}

export const rolesOfTables = (tables: readonly ('builtin' | 'openemr')[]): readonly RoleDefinition[] =>
  tables.flatMap((table) => (table === 'builtin' ? builtinRoles() : openEmrImport().roles))

/** The state of a clinic with these roles after what happened, and the ids of what was given a name. */
export const clinicOfCase = (roles: readonly RoleDefinition[], history: History) => {
  const clinic = createClinicFold()
  const ids = new Map<string, string>()
  for (const definition of roles) clinic.define(definition)
  for (const text of history) {
    const id = happen(clinic, ids, text)
    if (id !== undefined && 'as' in text && text.as !== undefined) ids.set(text.as, id)
  }
  return { state: clinic.state, ids }
}

/** The question, and when it is asked. */
export const requestOf = (ask: AskedFor): { readonly request: AccessRequest; readonly now: number } => {
  const { type, record: one } = resourceOf(ask.resource ?? '')
  const { properties = {}, context, caller, override, supports = [] } = ask
  const states = ask.properties !== undefined || context !== undefined || caller !== undefined || override !== undefined
  return {
    request: {
      subject: referenceOf(ask.subject ?? ''),
      action: ask.action ?? '',
      resourceType: type,
      ...(one === undefined ? {} : { record: one }),
      ...(typeof ask.patient === 'string' ? { patient: patient(ask.patient) } : {}),
      purpose: ask.purpose === null ? undefined : (ask.purpose ?? 'TREAT'),
      ...(ask.signed_in === undefined ? {} : { session: { issuedAt: momentOf(ask.signed_in) } }),
      supportedObligations: supports === 'any' ? 'any' : new Set(supports),
      ...(states ? { stated: { ...properties, context, caller: caller ?? 'practice', override: override === true } } : {}),
    },
    now: momentOf(ask.at ?? noon),
  }
}
