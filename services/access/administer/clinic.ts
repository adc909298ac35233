import type { FieldViolation } from '../../kernel/errors.ts'
import { isTimeZone } from '../../kernel/time-zone.ts'
import { administratorDefinition, administratorRole } from '../policy/administrator.ts'
import type { ClinicState } from '../state.ts'
import { type Actor, type AdministrationOutcome, commandError, malformed, type RegisterClinic } from './commands.ts'

const titleCharacters = 200

const violationsOf = ({ title, timeZone }: RegisterClinic): readonly FieldViolation[] => [
  ...(title !== '' && [...title].length <= titleCharacters && title.isWellFormed()
    ? []
    : [{ field: 'title', description: `must have 1 to ${titleCharacters} characters` }]),
  ...(isTimeZone(timeZone)
    ? []
    : [{ field: 'time_zone', description: 'must be an IANA time zone by area and place, such as "Europe/Berlin", or "UTC"' }]),
]

/**
 * Opens a clinic: the first person is enrolled and holds the reserved role, by ordinary events of the same append. Nobody can be named for
 * it, since nobody is known yet.
 */
export const registerClinic = (state: ClinicState, command: RegisterClinic, { scope }: Actor): AdministrationOutcome => {
  const violations = violationsOf(command)
  if (violations.length > 0) return malformed(violations)
  if (state.clinic !== undefined) return commandError('CLINIC_EXISTS')
  const { title, timeZone, administrator } = command
  const actor = { rule: `scope/${scope}` }
  return {
    kind: 'change',
    events: [
      { type: 'chartwarden.clinic.registered.v1', data: { title, time_zone: timeZone, administrator } },
      { type: 'chartwarden.staff.enrolled.v1', data: { actor, subject: administrator, member_of: [] } },
      { type: 'chartwarden.role.defined.v2', data: { actor, ...administratorDefinition } },
      { type: 'chartwarden.role.granted.v1', data: { actor, subject: administrator, role: administratorRole, flags: [] } },
    ],
    obligations: [],
  }
}
