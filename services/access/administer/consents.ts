/** What patients decided. A directive permits nothing by itself and may name whom it likes: a person, an organisation, anybody. */
import type { FieldViolation } from '../../kernel/errors.ts'
import type { Actor, ConsentRecorded, ConsentWithdrawn } from '../events.ts'
import { isResourceType } from '../policy/names.ts'
import { isPurpose } from '../policy/purposes.ts'
import type { ConsentState } from '../state/consents.ts'
import { isNotOver } from '../state/period.ts'
import type { ClinicState } from '../state.ts'
import { type CommandError, commandError, type PlannedEvent, type RecordConsent, type WithdrawConsent } from './commands.ts'
import { periodText, periodViolations } from './times.ts'

const maxNames = 64

const listViolations = (
  field: string,
  names: readonly string[],
  isName: (text: string) => boolean,
  form: string,
): readonly FieldViolation[] => {
  if (names.length > maxNames) return [{ field, description: `has more than ${maxNames} items` }]
  if (!names.every(isName)) return [{ field, description: form }]
  return new Set(names).size < names.length ? [{ field, description: 'names the same twice' }] : []
}

export const consentViolations = (command: RecordConsent, now: number): readonly FieldViolation[] => [
  ...listViolations(
    'consent.resource_types',
    command.resourceTypes,
    isResourceType,
    'each must be 1 to 64 letters, digits and _ . : / -; name none for all',
  ),
  ...listViolations('consent.purposes', command.purposes, isPurpose, 'each must be an HL7 v3 PurposeOfUse code; name none for any'),
  ...periodViolations(command, now).map(({ field, description }) => ({ field: `consent.${field}`, description })),
]

export const recordConsent = (command: RecordConsent, actor: Actor): PlannedEvent => {
  const { patient, recipient, resourceTypes, purposes, decision } = command
  return {
    type: 'chartwarden.consent.recorded.v1',
    data: {
      actor,
      patient,
      ...(recipient === undefined ? {} : { recipient }),
      resource_types: resourceTypes,
      purposes,
      decision,
      ...periodText(command),
    },
  }
}

/** A directive in force or to come. */
const standingConsent = (state: ClinicState, id: string, now: number): ConsentState | undefined => {
  const consent = state.consents.byId.get(id)
  return consent !== undefined && isNotOver(consent, now) ? consent : undefined
}

export const withdrawConsent = (
  state: ClinicState,
  { consentId }: WithdrawConsent,
  actor: Actor,
  now: number,
): PlannedEvent | CommandError => {
  const consent = standingConsent(state, consentId, now)
  if (consent === undefined) return commandError('CONSENT_UNKNOWN')
  return { type: 'chartwarden.consent.withdrawn.v1', data: { actor, consent_id: consentId, patient: consent.patient } }
}

/** Whether what such an entry brought about still holds. */
export const consentTests = {
  'chartwarden.consent.recorded.v1': (
    state: ClinicState,
    { id }: { readonly id: string; readonly data: ConsentRecorded },
    _: unknown,
    now: number,
  ): boolean => standingConsent(state, id, now) !== undefined,
  'chartwarden.consent.withdrawn.v1': (
    state: ClinicState,
    { data }: { readonly data: ConsentWithdrawn },
    _: unknown,
    now: number,
  ): boolean => standingConsent(state, data.consent_id, now) === undefined,
}
