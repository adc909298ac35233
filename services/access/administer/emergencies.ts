/** Emergency access as commands: opened by the person who needs it, closed by that person or a reviewer, reviewed by somebody else. */
import type { Pseudonym } from '../../audit/vault.ts'
import type { FieldViolation } from '../../kernel/errors.ts'
import type { AccessDecision } from '../decide.ts'
import type { Actor as RecordedActor } from '../events.ts'
import type { EmergencyState } from '../state/emergencies.ts'
import type { ClinicState } from '../state.ts'
import {
  type CloseEmergency,
  type CommandError,
  commandError,
  type OpenEmergency,
  type PlannedEvent,
  type ReviewEmergency,
} from './commands.ts'
import { timeText } from './times.ts'

const minuteMs = 60_000
const hourMs = 3_600_000

/** An emergency that no entry has closed may have ended by itself: the clock decides, whether or not its expiry is recorded. */
const isOpen = (emergency: EmergencyState, now: number): boolean => !emergency.closed && now < emergency.until

export const openViolations = (state: ClinicState, { minutes }: OpenEmergency): readonly FieldViolation[] => {
  const { max_minutes: most } = state.settings.emergency
  return minutes <= most ? [] : [{ field: 'minutes', description: `must be at most ${most}; 0 means what the clinic settled` }]
}

/** Another one for the same patient may be open already: somebody in need is not held up, and each is reviewed. */
export const openEmergency = (
  state: ClinicState,
  command: OpenEmergency,
  actor: RecordedActor,
  now: number,
): PlannedEvent | CommandError => {
  const { disabled, default_minutes: usual, max_minutes: most, review_hours: hours } = state.settings.emergency
  if (disabled) return commandError('EMERGENCY_DISABLED')
  const until = now + Math.min(command.minutes === 0 ? usual : command.minutes, most) * minuteMs
  return {
    type: 'chartwarden.emergency.opened.v1',
    data: {
      actor,
      subject: command.subject,
      patient: command.patient,
      purpose: command.purpose,
      until: timeText(until),
      // Not before it is over, since only then can it be reviewed.
      review_due: timeText(Math.max(until, now + hours * hourMs)),
    },
  }
}

export const closeEmergency = (
  state: ClinicState,
  command: CloseEmergency,
  actor: RecordedActor,
  now: number,
): PlannedEvent | CommandError => {
  const emergency = state.emergencies.byId.get(command.emergencyId)
  if (emergency === undefined) return commandError('EMERGENCY_UNKNOWN')
  if (!isOpen(emergency, now)) return commandError('EMERGENCY_OVER')
  const { id, subject, patient } = emergency
  return { type: 'chartwarden.emergency.closed.v1', data: { actor, emergency_id: id, subject, patient, cause: 'closed' } }
}

/** A review names a person; software on its own scope cannot judge what a person did. */
export const reviewEmergency = (
  state: ClinicState,
  command: ReviewEmergency,
  actor: RecordedActor,
  now: number,
): PlannedEvent | CommandError => {
  const description = 'is required: a review names the person who reviews, which takes a token with scope "act"'
  if (actor.subject === undefined) return { kind: 'error', reason: 'PERSON_REQUIRED', fields: [{ field: 'on_behalf_of', description }] }
  const emergency = state.emergencies.byId.get(command.emergencyId)
  if (emergency === undefined) return commandError('EMERGENCY_UNKNOWN')
  if (emergency.subject.pseudonym === actor.subject.pseudonym) return commandError('SELF_REVIEW')
  if (isOpen(emergency, now)) return commandError('EMERGENCY_OPEN')
  const { id, subject, patient } = emergency
  return {
    type: 'chartwarden.emergency.reviewed.v1',
    data: { actor, emergency_id: id, subject, patient, outcome: command.outcome },
  }
}

const refusesThePerson: ReadonlySet<AccessDecision['reasonCode']> = new Set([
  'unknown_subject',
  'suspended',
  'offboarded',
  'session_required',
  'session_cut_off',
])

/**
 * What a decision on reviewing comes to for somebody who closes: one's own emergency access needs no permission, since closing gives nothing
 * to anybody; only standing and sign-in count then, and the rule is `emergency/<id>`.
 */
export const orOwn = (state: ClinicState, { emergencyId }: CloseEmergency, person: Pseudonym, decision: AccessDecision): AccessDecision => {
  const own = state.emergencies.byId.get(emergencyId)?.subject.pseudonym === person
  if (decision.decision === 'permit' || !own || refusesThePerson.has(decision.reasonCode)) return decision
  return { decision: 'permit', reasonCode: 'emergency_access', rule: `emergency/${emergencyId}`, obligations: [], roles: decision.roles }
}

/** When a repeat may be answered with the original: an opening while it is open and the clinic allows it, an end and a review for ever. */
export const emergencyTests = {
  'chartwarden.emergency.opened.v1': (state: ClinicState, { id }: { readonly id: string }, _: unknown, now: number) => {
    const emergency = state.emergencies.byId.get(id)
    return emergency !== undefined && isOpen(emergency, now) && !state.settings.emergency.disabled
  },
  'chartwarden.emergency.closed.v1': () => true,
  'chartwarden.emergency.reviewed.v1': () => true,
}
