/** What a clinic settles beside its roles, as someone proposes it: what is left out has the default that the contract names. */
import type { FieldViolation } from '../../kernel/errors.ts'
import type { EmergencyOverride, OwnRecord } from '../events.ts'
import { defaultSettings, type Settings } from '../state/settings.ts'
import { neverInEmergency } from './emergency-floor.ts'
import { isAction, isResourceType } from './names.ts'
import { wildcard } from './roles.ts'

export interface EmergencySettingsDraft {
  readonly disabled: boolean
  /** Empty: all. */
  readonly overrides: readonly string[]
  /** 0: the default. */
  readonly default_minutes: number
  readonly max_minutes: number
  readonly review_hours: number
  /** Empty: the default; so for the two below. */
  readonly resource_types: readonly string[]
  readonly read_actions: readonly string[]
  readonly write_actions: readonly string[]
}

export interface SettingsDraft {
  /** Empty: the default. */
  readonly own_record: string
  /** Empty: the default, unless `protect_every_type`. */
  readonly open_resource_types: readonly string[]
  readonly protect_every_type: boolean
  readonly consent_to_share: readonly string[]
  /** Absent: the defaults. */
  readonly emergency?: EmergencySettingsDraft
}

const ownRecords: readonly OwnRecord[] = ['deny', 'read', 'as_roles_permit']
const overrides: readonly EmergencyOverride[] = ['confidentiality', 'consent', 'permissions']
const limits = { resourceTypes: 100, emergencyNames: 64, minutes: 1_440, reviewHours: 720 } as const
const nameWords = '1 to 64 letters, digits and _ . : / -'

type Report = (field: string, description: string) => void

const orDefault = (value: number, otherwise: number): number => (value === 0 ? otherwise : value)

/** Sorted, so that settings that say the same are the same. */
const listed = <T extends string>(given: readonly string[], otherwise: readonly T[]): readonly T[] =>
  given.length === 0 ? otherwise : (given.toSorted() as T[])

/** The settings that a well-formed draft means, every default filled in. */
export const settingsOf = (draft: SettingsDraft): Settings => {
  const { emergency } = draft
  const defaults = defaultSettings.emergency
  return {
    own_record: draft.own_record === '' ? defaultSettings.own_record : (draft.own_record as OwnRecord),
    open_resource_types: draft.protect_every_type ? [] : listed(draft.open_resource_types, defaultSettings.open_resource_types),
    consent_to_share: listed(draft.consent_to_share, defaultSettings.consent_to_share),
    emergency:
      emergency === undefined
        ? defaults
        : {
            disabled: emergency.disabled,
            overrides: listed(emergency.overrides, defaults.overrides),
            default_minutes: orDefault(emergency.default_minutes, defaults.default_minutes),
            max_minutes: orDefault(emergency.max_minutes, defaults.max_minutes),
            review_hours: orDefault(emergency.review_hours, defaults.review_hours),
            resource_types: listed(emergency.resource_types, defaults.resource_types),
            read_actions: listed(emergency.read_actions, defaults.read_actions),
            write_actions: listed(emergency.write_actions, defaults.write_actions),
          },
  }
}

const checkTypes = (report: Report, field: string, types: readonly string[], also?: string): void => {
  types.forEach((type, index) => {
    if (type !== also && !isResourceType(type)) {
      const or = also === undefined ? '' : `"${also}" or `
      report(`${field}[${index}]`, `must be ${or}${nameWords}`)
    }
  })
  if (also !== undefined && types.includes(also) && types.length > 1) report(field, `"${also}" stands alone`)
  if (new Set(types).size !== types.length) report(field, 'names the same twice')
  if (types.length > limits.resourceTypes) report(field, `holds more than ${limits.resourceTypes}`)
}

const checkNumber = (report: Report, field: string, value: number, most: number): void => {
  if (!Number.isInteger(value) || value < 0 || value > most) report(field, `must lie between 1 and ${most}, or be 0 for the default`)
}

/** What an emergency is to reach: names as they are, no wildcard among them. */
const checkReach = (
  report: Report,
  field: string,
  names: readonly string[],
  isName: (text: string) => boolean,
  never: ReadonlySet<string>,
): void => {
  names.forEach((name, index) => {
    if (!isName(name)) report(`${field}[${index}]`, `must be ${nameWords}`)
    else if (never.has(name)) report(`${field}[${index}]`, `"${name}" is reached by no emergency, whatever a clinic settles`)
  })
  if (new Set(names).size !== names.length) report(field, 'names the same twice')
  if (names.length > limits.emergencyNames) report(field, `holds more than ${limits.emergencyNames}`)
}

const checkActions = (report: Report, at: string, draft: EmergencySettingsDraft): void => {
  checkReach(report, `${at}.read_actions`, draft.read_actions, isAction, neverInEmergency.actions)
  checkReach(report, `${at}.write_actions`, draft.write_actions, isAction, neverInEmergency.actions)
  const { read_actions: reading, write_actions: writing } = defaultSettings.emergency
  const read = listed(draft.read_actions, reading)
  const both = listed(draft.write_actions, writing).find((action) => read.includes(action))
  if (both !== undefined) report(`${at}.write_actions`, `has "${both}", which read_actions names: it either needs a role or does not`)
}

const checkEmergency = (report: Report, draft: EmergencySettingsDraft): void => {
  const at = 'settings.emergency'
  draft.overrides.forEach((override, index) => {
    if (!(overrides as readonly string[]).includes(override)) {
      report(`${at}.overrides[${index}]`, 'must be "consent", "confidentiality" or "permissions"')
    }
  })
  if (new Set(draft.overrides).size !== draft.overrides.length) report(`${at}.overrides`, 'names the same twice')
  checkReach(report, `${at}.resource_types`, draft.resource_types, isResourceType, neverInEmergency.resourceTypes)
  checkActions(report, at, draft)
  checkNumber(report, `${at}.default_minutes`, draft.default_minutes, limits.minutes)
  checkNumber(report, `${at}.max_minutes`, draft.max_minutes, limits.minutes)
  checkNumber(report, `${at}.review_hours`, draft.review_hours, limits.reviewHours)
  const { default_minutes: minutes, max_minutes: most } = defaultSettings.emergency
  const asked = orDefault(draft.default_minutes, minutes)
  const allowed = orDefault(draft.max_minutes, most)
  if (asked > allowed) report(`${at}.default_minutes`, `is ${asked}, more than max_minutes, which is ${allowed}`)
}

/** What makes proposed settings refused. Every finding names its field as the contract does. */
export const validateSettings = (draft: SettingsDraft): readonly FieldViolation[] => {
  const violations: FieldViolation[] = []
  const report: Report = (field, description) => violations.push({ field, description })
  if (draft.own_record !== '' && !(ownRecords as readonly string[]).includes(draft.own_record)) {
    report('settings.own_record', 'must be "deny", "read" or "as_roles_permit"')
  }
  if (draft.protect_every_type && draft.open_resource_types.length > 0) {
    report('settings.open_resource_types', 'names types that stay open while protect_every_type leaves none')
  }
  checkTypes(report, 'settings.open_resource_types', draft.open_resource_types)
  checkTypes(report, 'settings.consent_to_share', draft.consent_to_share, wildcard)
  if (draft.emergency !== undefined) checkEmergency(report, draft.emergency)
  return violations
}
