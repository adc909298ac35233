/** What permits an administrative command: the scope of the calling software, or the roles of the person it names. */
import { methodRules, type PersonNeeds } from '../../kernel/scopes.ts'
import { sharingVerdict } from '../decide/consent.ts'
import { type AccessDecision, type AccessRequest, decide } from '../decide.ts'
import type { ObligationData, Actor as RecordedActor } from '../events.ts'
import type { ClinicState } from '../state.ts'
import { type Actor, type AdministrativeCommand, commandMethods, type Refusal } from './commands.ts'
import { orOwn } from './emergencies.ts'

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
  const common = { purpose: undefined, supportedObligations: none }
  if (needs === 'own_or_review') return [{ ...methodRules[commandMethods.review_emergency].person, ...common }]
  return [{ ...needs, ...common, ...(command.kind === 'open_emergency' ? { patient: command.patient } : {}) }]
}

const refusal = (question: Question, decision: AccessDecision): Refusal => ({
  kind: 'refused',
  decision,
  resourceType: question.resourceType,
  action: question.action,
  ...(question.patient === undefined ? {} : { patient: question.patient }),
  ...(question.purpose === undefined ? {} : { purpose: question.purpose }),
})

interface Consented {
  /** Undefined: no objection. */
  readonly refused: Refusal | undefined
  readonly until: number
}

/** Whether the patient's directives and the clinic's settings let the records go to the recipient, whoever shares them. */
const consentToShare = (state: ClinicState, command: AdministrativeCommand, roles: readonly string[], now: number): Consented => {
  let until = Number.POSITIVE_INFINITY
  if (command.kind !== 'share_record') return { refused: undefined, until }
  const { recipient, patient, purpose } = command
  const memberOf = state.subjects.get(recipient.pseudonym)?.memberOf ?? []
  for (const resourceType of command.resourceTypes) {
    const disclosure = { patient, recipient: recipient.pseudonym, memberOf, resourceType, purpose }
    const verdict = sharingVerdict(state, recipient, disclosure, now)
    if (verdict.reasonCode !== undefined) {
      const { reasonCode, rule } = verdict
      const decision: AccessDecision = { decision: 'deny', reasonCode, rule, obligations: [], roles }
      return { refused: { kind: 'refused', decision, resourceType, action: 'share', patient, purpose }, until }
    }
    until = Math.min(until, verdict.until)
  }
  return { refused: undefined, until }
}

/**
 * Decides whether the actor may. Without a person the scope alone permits, and the rule is `scope/<scope>`. With one, everything the method
 * needs is decided against the person's own roles; the first refusal is the answer, and several rules are recorded in order, with a space
 * between. What the patient decided about the recipient counts after that, and for software alone too. An
 * emergency is decided against the person it is for, whoever calls.
 */
export const authorise = (state: ClinicState, command: AdministrativeCommand, actor: Actor, now: number): Authority | Refusal => {
  const { session, scope } = actor
  const subject = command.kind === 'open_emergency' ? command.subject : actor.subject
  if (subject === undefined) {
    const { refused, until } = consentToShare(state, command, [], now)
    return refused ?? { kind: 'granted', actor: { rule: `scope/${scope}` }, obligations: [], until }
  }
  const rules = new Set<string>()
  const obligations = new Map<string, ObligationData>()
  let until = Number.POSITIVE_INFINITY
  let roles: readonly string[] = []
  for (const question of questionsOf(state, command)) {
    const decided = decide(state, { ...question, subject, ...(session === undefined ? {} : { session }) }, now)
    const decision = command.kind === 'close_emergency' ? orOwn(state, command, subject.pseudonym, decided) : decided
    if (decision.decision === 'deny') return refusal(question, decision)
    rules.add(decision.rule)
    for (const obligation of decision.obligations) obligations.set(obligation.id, obligation)
    until = Math.min(until, decision.notAfter ?? until)
    roles = decision.roles
  }
  const consented = consentToShare(state, command, roles, now)
  if (consented.refused !== undefined) return consented.refused
  return {
    kind: 'granted',
    actor: { subject, rule: [...rules].join(' ') },
    obligations: [...obligations.values()],
    until: Math.min(until, consented.until),
  }
}
