/** When a deny may become something else by the clock alone. */
import { clockBoundMs } from '../decide/deliberation.ts'
import { descriptionOf, withKnownPatient } from '../decide/labels-of.ts'
import type { AccessRequest } from '../decide.ts'
import { eachPermission } from '../policy/roles.ts'
import { isInForce, type Period } from '../state/period.ts'
import type { ClinicState } from '../state.ts'

const bounds = ({ from, until }: Partial<Period>): readonly (number | undefined)[] => [from, until]

const looksAtClock = (state: ClinicState, request: AccessRequest, now: number): boolean => {
  let found = false
  for (const grant of state.grants.bySubject.get(request.subject.pseudonym) ?? []) {
    if (!isInForce(grant, now)) continue
    eachPermission(state.roles, grant.role, request.resourceType, request.action, ({ condition }) => {
      found ||= condition?.usesTime === true
    })
  }
  return found
}

/**
 * The earliest moment at which anything this person holds, or this patient decided, begins or ends; undefined when nothing does. It may
 * change nothing then, but before it the answer is the same.
 */
export const nextChange = (state: ClinicState, asked: AccessRequest, now: number): number | undefined => {
  const request = withKnownPatient(asked, descriptionOf(state, asked))
  const { subject, patient } = request
  const { pseudonym } = subject
  const moments = [
    ...(state.grants.bySubject.get(pseudonym) ?? []).flatMap(bounds),
    ...(state.emergencies.openBySubject.get(pseudonym) ?? []).filter((emergency) => emergency.patient === patient).flatMap(bounds),
    looksAtClock(state, request, now) ? now + clockBoundMs : undefined,
  ]
  if (patient !== undefined) {
    const recipients = [pseudonym, ...(state.subjects.get(pseudonym)?.memberOf ?? []).map((organisation) => organisation.pseudonym)]
    moments.push(
      ...bounds(state.careTeams.get(pseudonym)?.get(patient) ?? {}),
      ...(state.consents.byPatient.get(patient) ?? []).flatMap(bounds),
      ...recipients.flatMap((recipient) => (state.shares.byRecipient.get(recipient)?.get(patient) ?? []).map(({ until }) => until)),
    )
  }
  const coming = moments.filter((moment): moment is number => moment !== undefined && moment > now)
  return coming.length === 0 ? undefined : Math.min(...coming)
}
