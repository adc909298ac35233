/** A decision rule by rule: what was consulted, what each came to and why, which was preferred, and what would be needed. Pure. */

import { descriptionOf, withKnownPatient } from '../decide/labels-of.ts'
import { plainestFirst } from '../decide/permissions.ts'
import { type AccessDecision, type AccessRequest, type Consulted, decide } from '../decide.ts'
import type { EffectivePermission } from '../policy/roles.ts'
import { type ReasonCode, reasonCodes } from '../reasons.ts'
import type { ClinicState } from '../state.ts'
import { nextChange } from './next-change.ts'
import { waysTo } from './ways.ts'
import { ruleText, wayTexts } from './words.ts'

export interface ExplainedRule extends Pick<Consulted, 'step' | 'rule' | 'outcome' | 'reasonCode'> {
  /** In plain words; no identifier of anybody. */
  readonly detail: string
}

export interface Explanation {
  readonly decision: AccessDecision
  /** In the order of deciding. */
  readonly rules: readonly ExplainedRule[]
  /** One sentence for each way that would turn a deny into a permit. */
  readonly needed: readonly string[]
  /** From when on it may be otherwise without a change of state, milliseconds since the epoch; undefined: never. */
  readonly until: number | undefined
}

const order = ['standing', 'forbid', 'own_record', 'consent', 'confidentiality', 'permission', 'emergency'] as const

/** Both are looked at before what the patient decided. */
const first: readonly ReasonCode[] = ['patient_mismatch', 'own_record']

const placeOf = ({ step, reasonCode }: Consulted): number => order.indexOf(first.includes(reasonCode) ? 'own_record' : step)

interface NamedPermission {
  readonly permission: EffectivePermission | undefined
  readonly namedPurposes: readonly string[]
}

const noPermission: NamedPermission = { permission: undefined, namedPurposes: [] }

/** The permissions that rules name, as they stand in their roles; each role is looked through once. */
const permissionsByRule = ({ roles }: ClinicState): ((rule: string) => NamedPermission) => {
  const known = new Map<string, ReadonlyMap<string, NamedPermission>>()
  return (rule) => {
    const [, role = '', id = ''] = /^(?:role|forbid)\/([^#]+)#(.*)$/.exec(rule) ?? []
    let ofRole = known.get(role)
    if (ofRole === undefined) {
      const stated = roles.definitions.get(role)?.permissions ?? []
      ofRole = new Map(
        roles.own.get(role)?.map((permission, index) => [permission.id, { permission, namedPurposes: stated[index]?.purposes ?? [] }]),
      )
      known.set(role, ofRole)
    }
    return ofRole.get(id) ?? noPermission
  }
}

const tiedBy = (chosen: EffectivePermission, other: EffectivePermission): string => {
  if ((chosen.effect === 'permit') !== (other.effect === 'permit')) return 'it is plain, without bounds'
  if (chosen.obligations.length !== other.obligations.length) return 'it comes with the fewest duties'
  return 'of equals the first by name is taken'
}

/** Why the permission that decided was taken before the others that hold. */
const preference = (chosen: EffectivePermission, holding: readonly EffectivePermission[]): string => {
  const next = holding.filter((one) => one !== chosen).toSorted(plainestFirst)[0]
  return next === undefined
    ? 'It allows this, and decided: no other permission of a role in force does.'
    : `It allows this, and was preferred: ${tiedBy(chosen, next)}.`
}

const nothingSpeaks: readonly ReasonCode[] = ['no_grant', 'unknown_resource_type', 'unknown_action']

/** The answer that a check would give, with everything that led to it. `now` is ledger time in milliseconds since the epoch. */
export function* explain(state: ClinicState, asked: AccessRequest, now: number): Generator<void, Explanation> {
  const request = withKnownPatient(asked, descriptionOf(state, asked))
  const consulted = new Map<string, Consulted>()
  // A permission reached through several roles is consulted once for each, to the same end.
  const decision = decide(state, request, now, (one) => consulted.set(`${one.step} ${one.rule} ${one.reasonCode} ${one.detail ?? ''}`, one))
  yield
  const permissionOf = permissionsByRule(state)
  const all = [...consulted.values()].toSorted((left, right) => placeOf(left) - placeOf(right))
  const holding = all
    .filter(({ step, outcome }) => step === 'permission' && outcome === 'permits')
    .flatMap(({ rule }) => permissionOf(rule).permission ?? [])

  const standing = (permission: EffectivePermission | undefined): string => {
    if (permission !== undefined && permission.rule === decision.rule) return preference(permission, holding)
    if (decision.reasonCode === 'emergency_access') return 'It allows this, but only the emergency access overrides what stands in the way.'
    return decision.decision === 'permit'
      ? 'It allows this too; another permission was preferred.'
      : 'It allows this, but an earlier step refuses.'
  }
  const rules: ExplainedRule[] = []
  for (const one of all) {
    yield
    const { permission, namedPurposes } = permissionOf(one.rule)
    const facts = { permission, namedPurposes, purpose: request.purpose ?? '', standing: standing(permission) }
    const detail = ruleText(one, facts)
    rules.push({ step: one.step, rule: one.rule, outcome: one.outcome, reasonCode: one.reasonCode, detail })
  }
  if (nothingSpeaks.includes(decision.reasonCode)) {
    const { reasonCode } = decision
    rules.push({ step: 'permission', rule: '', outcome: 'not_met', reasonCode, detail: reasonCodes[reasonCode] })
    rules.sort((left, right) => placeOf(left) - placeOf(right))
  }
  return {
    decision,
    rules,
    needed: wayTexts(yield* waysTo(state, request, now)),
    until: decision.decision === 'permit' ? decision.notAfter : nextChange(state, request, now),
  }
}
