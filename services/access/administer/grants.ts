import type { Pseudonym } from '../../audit/vault.ts'
import { decideWhoeverSignedIn } from '../decide.ts'
import type { Actor } from '../events.ts'
import { type ClinicState, grantsHeld } from '../state.ts'
import { type CommandError, commandError, type GrantRole, type PlannedEvent, type RevokeRole } from './commands.ts'
import { notEmployed } from './staff.ts'
import { periodText } from './times.ts'

/** Whether anybody but this person could grant a role now. */
const anotherCouldGrant = (state: ClinicState, person: Pseudonym, now: number): boolean =>
  state.subjects.values().some(({ reference }) => {
    if (reference.pseudonym === person) return false
    const request = {
      subject: reference,
      action: 'update',
      resourceType: 'staff_account',
      purpose: undefined,
      supportedObligations: new Set<string>(),
    }
    return decideWhoeverSignedIn(state, request, now).decision === 'permit'
  })

/** Each entry about a person lists the roles the person holds, and an entry has limited room. */
const maxGrants = 200

/** Gives a role. To oneself only while nobody else could, and then flagged. */
export const grantRole = (state: ClinicState, command: GrantRole, actor: Actor, now: number): PlannedEvent | CommandError => {
  const { subject, role } = command
  const refused = notEmployed(state, subject)
  if (refused !== undefined) return refused
  if (!state.roles.definitions.has(role)) return commandError('ROLE_UNKNOWN')
  if (grantsHeld(state, subject.pseudonym, now).length >= maxGrants) return commandError('TOO_MANY_GRANTS')
  const toOneself = actor.subject?.pseudonym === subject.pseudonym
  if (toOneself && anotherCouldGrant(state, subject.pseudonym, now)) return commandError('SELF_GRANT')
  return {
    type: 'chartwarden.role.granted.v1',
    data: { actor, subject, role, ...periodText(command), flags: toOneself ? ['self_granted'] : [] },
  }
}

/**
 * Ends one grant, or every grant of a role that is in force or to come. The last administrator's role can be revoked like any other: the
 * calling software can always grant it again on its own scope, so no clinic is locked out, and a person who must lose it does.
 */
export const revokeRole = (state: ClinicState, command: RevokeRole, actor: Actor, now: number): PlannedEvent | CommandError => {
  const { subject, role, grantId } = command
  if (!state.subjects.has(subject.pseudonym)) return commandError('SUBJECT_UNKNOWN')
  const ended = grantsHeld(state, subject.pseudonym, now).filter(
    (grant) => (grantId === undefined || grant.id === grantId) && (role === undefined || grant.role === role),
  )
  const [first] = ended
  if (first === undefined) return commandError('GRANT_UNKNOWN')
  return {
    type: 'chartwarden.role.revoked.v1',
    data: { actor, subject, role: first.role, grant_ids: ended.map(({ id }) => id).sort() },
  }
}
