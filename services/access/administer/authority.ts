/** What permits an administrative command: the scope of the calling software, or the roles of the person it names. */
import { methodRules, type PersonNeeds } from '../../kernel/scopes.ts'
import { type AccessDecision, type AccessRequest, decide } from '../decide.ts'
import type { ObligationData, Actor as RecordedActor } from '../events.ts'
import type { ClinicState } from '../state.ts'
import { type Actor, type AdministrativeCommand, commandMethods, type Refusal } from './commands.ts'

export interface Authority {
  readonly kind: 'granted'
  /** As the events record it. */
  readonly actor: RecordedActor
  readonly obligations: readonly ObligationData[]
  /** Infinity: open. */
  readonly until: number
}

type Question = Omit<AccessRequest, 'subject' | 'session'>

const none: ReadonlySet<string> = new Set()

const sharingQuestions = (state: ClinicState, command: AdministrativeCommand): readonly Question[] => {
  if (command.kind === 'share_record') {
    const { patient, purpose, supportedObligations, records } = command
    const common = { action: 'share', patient, purpose, supportedObligations }
    return command.resourceTypes.flatMap((resourceType): readonly Question[] => {
      const named = records?.filter((record) => record.resourceType === resourceType) ?? []
      if (named.length === 0) return [{ ...common, resourceType }]
      return named.map(({ pseudonym }) => ({ ...common, resourceType, record: pseudonym }))
    })
  }
  const share = command.kind === 'end_share' ? state.shares.byId.get(command.shareId) : undefined
  if (share === undefined) return []
  // Ending gives nothing to anybody, so it needs the right to share, but neither its purpose nor its duties.
  const common = { action: 'share', patient: share.patient, purpose: undefined, supportedObligations: 'any' as const }
  return share.resourceTypes.map((resourceType) => ({ ...common, resourceType }))
}

const questionsOf = (state: ClinicState, command: AdministrativeCommand): readonly Question[] => {
  const needs: PersonNeeds = methodRules[commandMethods[command.kind]].person
  if (needs === 'nothing') return []
  if (needs === 'share_of_each_type') return sharingQuestions(state, command)
  return [{ ...needs, purpose: undefined, supportedObligations: none }]
}

const refusal = (question: Question, decision: AccessDecision): Refusal => ({
  kind: 'refused',
  decision,
  resourceType: question.resourceType,
  action: question.action,
  ...(question.patient === undefined ? {} : { patient: question.patient }),
  ...(question.purpose === undefined ? {} : { purpose: question.purpose }),
})

/**
 * Decides whether the actor may. Without a person the scope alone permits, and the rule is `scope/<scope>`. With one, everything the method
 * needs is decided against the person's own roles; the first refusal is the answer, and several rules are recorded in order, with a space
 * between.
 */
export const authorise = (state: ClinicState, command: AdministrativeCommand, actor: Actor, now: number): Authority | Refusal => {
  const { subject, session, scope } = actor
  if (subject === undefined) return { kind: 'granted', actor: { rule: `scope/${scope}` }, obligations: [], until: Number.POSITIVE_INFINITY }
  const rules = new Set<string>()
  const obligations = new Map<string, ObligationData>()
  let until = Number.POSITIVE_INFINITY
  for (const question of questionsOf(state, command)) {
    const decision = decide(state, { ...question, subject, ...(session === undefined ? {} : { session }) }, now)
    if (decision.decision === 'deny') return refusal(question, decision)
    rules.add(decision.rule)
    for (const obligation of decision.obligations) obligations.set(obligation.id, obligation)
    until = Math.min(until, decision.notAfter ?? until)
  }
  return { kind: 'granted', actor: { subject, rule: [...rules].join(' ') }, obligations: [...obligations.values()], until }
}
