import type { FieldViolation } from '../../kernel/errors.ts'
import { knownPatient } from '../decide/labels-of.ts'
import type { Actor } from '../events.ts'
import { isAction, isResourceType } from '../policy/names.ts'
import { isPurpose } from '../policy/purposes.ts'
import { isNotOver } from '../state/period.ts'
import type { ClinicState } from '../state.ts'
import {
  type CommandError,
  commandError,
  type EndShare,
  malformed,
  type PlannedEvent,
  type PutCareTeam,
  type RemoveCareTeam,
  type ShareRecord,
} from './commands.ts'
import { notEmployed } from './staff.ts'
import { periodText, periodViolations, timeText } from './times.ts'

const maxNames = 64
const maxRecords = 500

export const putCareTeam = (state: ClinicState, command: PutCareTeam, actor: Actor): PlannedEvent | CommandError => {
  const { patient, subject } = command
  return (
    notEmployed(state, subject) ?? { type: 'chartwarden.careteam.joined.v1', data: { actor, patient, subject, ...periodText(command) } }
  )
}

export const removeCareTeam = (state: ClinicState, command: RemoveCareTeam, actor: Actor, now: number): PlannedEvent | CommandError => {
  const { patient, subject } = command
  const membership = state.careTeams.get(subject.pseudonym)?.get(patient)
  if (membership === undefined || !isNotOver(membership, now)) return commandError('CARE_TEAM_UNKNOWN')
  return { type: 'chartwarden.careteam.left.v1', data: { actor, patient, subject } }
}

const nameViolations = (field: string, names: readonly string[], isName: (text: string) => boolean): readonly FieldViolation[] => {
  if (names.length === 0 || names.length > maxNames) return [{ field, description: `names 1 to ${maxNames}` }]
  if (!names.every(isName)) return [{ field, description: 'each must be 1 to 64 letters, digits and _ . : / -' }]
  return new Set(names).size < names.length ? [{ field, description: 'names the same twice' }] : []
}

export const shareViolations = (command: ShareRecord, now: number): readonly FieldViolation[] => {
  const { resourceTypes, actions, purpose, until, records } = command
  const types = new Set(records?.map(({ resourceType }) => resourceType))
  return [
    ...nameViolations('resource_types', resourceTypes, isResourceType),
    ...nameViolations('actions', actions, isAction),
    ...(isPurpose(purpose) ? [] : [{ field: 'purpose', description: 'must be a PurposeOfUse code' }]),
    ...(until === undefined ? [{ field: 'until', description: 'is required: a share ends by itself' }] : periodViolations({ until }, now)),
    ...(records === undefined || (records.length > 0 && records.length <= maxRecords)
      ? []
      : [{ field: 'resource_ids', description: `times resource types, must be 1 to ${maxRecords}` }]),
    ...(records === undefined || (types.size === resourceTypes.length && resourceTypes.every((type) => types.has(type)))
      ? []
      : [{ field: 'resource_ids', description: 'must give records of each resource type and no other' }]),
  ]
}

/** Records that the directory knows of another patient: none of them may go out under this one's name. */
const foreignRecords = (state: ClinicState, { patient, records = [] }: ShareRecord): boolean => {
  const { resources } = state.directory
  return records.some(({ pseudonym }) => (knownPatient(resources.find(pseudonym)) ?? patient) !== patient)
}

/** Shares records of one patient. The recipient need not be enrolled (a lab), but must not be a former one. */
export const shareRecord = (state: ClinicState, command: ShareRecord, actor: Actor): PlannedEvent | CommandError => {
  const { recipient, patient, resourceTypes, records, actions, purpose, until } = command
  if (state.subjects.get(recipient.pseudonym)?.status === 'offboarded') return commandError('SUBJECT_FORMER')
  if (foreignRecords(state, command)) {
    return malformed([{ field: 'resource_ids', description: 'names a record that the directory knows of another patient' }])
  }
  return {
    type: 'chartwarden.record.shared.v1',
    data: {
      actor,
      recipient,
      patient,
      resource_types: resourceTypes,
      ...(records === undefined ? {} : { records: [...new Set(records.map(({ pseudonym }) => pseudonym))].sort() }),
      actions,
      purpose,
      until: timeText(until as number),
    },
  }
}

export const isShared = (state: ClinicState, shareId: string, now: number): boolean => {
  const share = state.shares.byId.get(shareId)
  return share !== undefined && now < share.until
}

export const endShare = ({ shareId }: EndShare, actor: Actor): PlannedEvent => ({
  type: 'chartwarden.share.ended.v1',
  data: { actor, share_id: shareId },
})
