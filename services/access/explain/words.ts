/** Rules and ways in plain words. They name roles, purposes, labels and attributes of the policy, never a person, a patient or a value. */
import type { Consulted } from '../decide.ts'
import { isConfidentiality, isSensitivity } from '../policy/labels.ts'
import type { EffectivePermission } from '../policy/roles.ts'
import { reasonCodes } from '../reasons.ts'
import type { Step } from './steps.ts'
import type { Way } from './ways.ts'

const list = (names: readonly string[], last = 'and'): string =>
  names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)}`

/** What a condition looks at, as the end of a sentence. */
const looksAt = (permission: EffectivePermission | undefined): string => {
  const attributes = permission?.condition?.attributes ?? []
  return attributes.length === 0 ? '.' : `; it looks at ${list(attributes)}.`
}

/** The attribute that an error of a condition (policy/conditions/explain.ts) names as missing, as what to do about it. */
const toState = (detail = ''): string => {
  const [, path] = /: ((?:subject|resource|action|context)\.[^ ]+) is not stated$/.exec(detail) ?? []
  if (path === undefined) return ''
  const describable = /^(?:subject|resource)\.properties/.test(path) ? ', or describe it in the directory' : ''
  return `; state ${path}${describable}`
}

const forbidding = (consulted: Consulted, permission: EffectivePermission | undefined, purpose: string): string => {
  const { rule, outcome, reasonCode, detail } = consulted
  if (rule === '') {
    return 'The conditions of the roles in force would take too long together; not all could be asked, those that forbid included, so it is refused.'
  }
  if (outcome === 'not_met') {
    return permission?.purposes.has(purpose) === false
      ? 'It forbids this, but not for the purpose stated.'
      : `It forbids this on a condition that does not hold${looksAt(permission)}`
  }
  if (reasonCode === 'condition_error')
    return `Its condition could not be evaluated (${detail ?? 'it errs'}), so it forbids${toState(detail)}.`
  return 'It forbids this, whatever other roles allow.'
}

/** A label as far as it is a code of the vocabularies: anything else is text of the caller's. */
const labelText = (label = ''): string => (isConfidentiality(label) || isSensitivity(label) ? label : 'with a sensitivity of the clinic')

const labelled = ({ outcome, reasonCode, detail }: Consulted): string => {
  if (reasonCode === 'own_record' || reasonCode === 'patient_mismatch') return reasonCodes[reasonCode]
  const cleared = outcome === 'permits'
  if (reasonCode === 'protected_person') {
    return cleared
      ? `The patient is protected (${labelText(detail)}); a clearance or a place on the care team covers that.`
      : `The patient is protected (${labelText(detail)}); it takes a clearance for that or a place on the care team.`
  }
  return `The record is labelled ${labelText(detail)}; ${cleared ? 'a role in force is cleared for that' : 'no role in force is cleared for that'}.`
}

const notPermitting = (
  { reasonCode, detail }: Consulted,
  permission: EffectivePermission | undefined,
  namedPurposes: readonly string[],
): string => {
  switch (reasonCode) {
    case 'purpose_not_allowed':
      return `It allows this for ${list(namedPurposes, 'or')}, not for the purpose stated.`
    case 'condition_not_met':
      return `It allows this on a condition that does not hold${looksAt(permission)}`
    case 'condition_error':
      return `Its condition could not be evaluated (${detail ?? 'it errs'}), so it gives nothing${toState(detail)}.`
    case 'obligation_unsupported': {
      const duties = permission?.obligations.map(({ type }) => type) ?? []
      return `It allows this under duties that the calling software does not say it carries out: ${list(duties)}.`
    }
    default:
      return reasonCodes[reasonCode]
  }
}

export interface RuleFacts {
  /** Undefined where the rule is no permission. */
  readonly permission: EffectivePermission | undefined
  /** As its role names them. */
  readonly namedPurposes: readonly string[]
  /** Purpose of the question. */
  readonly purpose: string
  /** For a permission that permits: whether it decided, was passed over, or what stood in the way. */
  readonly standing: string
}

/** Why a rule came to what it came to. */
export const ruleText = (consulted: Consulted, facts: RuleFacts): string => {
  switch (consulted.step) {
    case 'standing':
      return reasonCodes[consulted.reasonCode]
    case 'forbid':
      return forbidding(consulted, facts.permission, facts.purpose)
    case 'consent':
      return consulted.outcome === 'refuses' ? reasonCodes.consent_denied : 'A consent directive of the patient allows it.'
    case 'confidentiality':
      return labelled(consulted)
    case 'permission':
      return consulted.outcome === 'permits' ? facts.standing : notPermitting(consulted, facts.permission, facts.namedPurposes)
    case 'emergency':
      return consulted.outcome === 'permits'
        ? reasonCodes.emergency_access
        : `An emergency access of this person for this patient is open, but ${consulted.detail ?? 'it does not reach this'}.`
  }
}

const stepText = (step: Step): string => {
  switch (step.kind) {
    case 'enrol':
      return 'enrol this subject'
    case 'reinstate':
      return 'reinstate this subject'
    case 'name_patient':
      return 'name the patient of the record, as the directory knows it (resource.patient_id)'
    case 'sign_in':
      return 'state a sign-in from after the cut-off (session.issued_at)'
    case 'grant_role':
      return `grant the role ${step.role}`
    case 'revoke_role':
      return `revoke the role ${step.role}, which forbids it`
    case 'purpose':
      return `ask with the purpose ${step.purpose}`
    case 'care_team':
      return 'put this subject on the care team of the patient'
    case 'share':
      return 'share records of this type of the patient with this subject, for this action and purpose'
    case 'consent':
      return 'record a consent of the patient that permits this subject, for this type and purpose'
    case 'withdraw_consents':
      return step.ids.length === 1 ? 'withdraw the consent directive that refuses it' : 'withdraw the consent directives that refuse it'
    case 'obligations':
      return `let the calling software carry out, and say so: ${list(step.types)} (supported_obligations)`
    case 'emergency':
      return `open emergency access for this patient, which this subject may, and ask with the purpose ${step.purpose}; a review is owed then`
  }
}

const sentence = (parts: readonly string[]): string => {
  const [first = '', ...rest] = parts
  return [`${first.charAt(0).toUpperCase()}${first.slice(1)}`, ...rest].join('; and ').concat('.')
}

/** One sentence for each way; those that differ in the purpose alone are one. */
export const wayTexts = (ways: readonly Way[]): readonly string[] => {
  const together = new Map<string, { readonly texts: readonly string[]; readonly purposes: string[] }>()
  for (const way of ways) {
    const texts = way.filter(({ kind }) => kind !== 'purpose').map(stepText)
    const purposes = way.flatMap((step) => (step.kind === 'purpose' ? [step.purpose] : []))
    const key = `${purposes.length}\n${texts.join('\n')}`
    const same = together.get(key)
    if (same === undefined) together.set(key, { texts, purposes })
    else same.purposes.push(...purposes)
  }
  return [...together.values()].map(({ texts, purposes }) => {
    const asked = purposes.length === 0 ? [] : [`ask with another purpose, where it is the true one: ${list(purposes, 'or')}`]
    return sentence([...texts, ...asked])
  })
}
