/** What may be a misspelling in a command that is carried out all the same. Pure. */
import {
  boundInWords,
  type KnownNames,
  namesInForce,
  namesInWords,
  nearlyCheckedBounds,
  unknownNames,
  unknownSensitivities,
} from '../policy/unknown-names.ts'
import { defaultSettings } from '../state/settings.ts'
import type { ClinicState } from '../state.ts'
import type { AdministrativeCommand, PutRole, PutSettings } from './commands.ts'

const roleNotes = ({ roles }: ClinicState, { role }: PutRole): readonly string[] => {
  const { permissions } = role
  const unknown = unknownNames(namesInForce(roles, role.role), {
    resourceTypes: permissions.map(({ resource_type: type }) => type),
    actions: permissions.flatMap(({ actions }) => actions),
  })
  const bounds = nearlyCheckedBounds(permissions.flatMap((permission) => permission.bounds))
  return [...namesInWords(unknown, 'No other role in force'), ...bounds.map(boundInWords)]
}

/** What stands in a list by default was written by nobody. */
const settingsNotes = (known: KnownNames, { settings }: PutSettings): readonly string[] => {
  const { open_resource_types: open, consent_to_share: share, emergency: by } = defaultSettings
  const { emergency } = settings
  const written = (given: readonly string[] | undefined, byDefault: readonly string[]): readonly string[] =>
    (given ?? []).filter((name) => !byDefault.includes(name))
  const notes = (field: string, names: Parameters<typeof unknownNames>[1]): readonly string[] =>
    namesInWords(unknownNames(known, names)).map((note) => `${field}: ${note}`)
  return [
    ...notes('open_resource_types', { resourceTypes: written(settings.open_resource_types, open) }),
    ...notes('consent_to_share', { resourceTypes: written(settings.consent_to_share, share) }),
    ...notes('emergency.resource_types', { resourceTypes: written(emergency?.resource_types, by.resource_types) }),
    ...notes('emergency.read_actions', { actions: written(emergency?.read_actions, by.read_actions) }),
    ...notes('emergency.write_actions', { actions: written(emergency?.write_actions, by.write_actions) }),
  ]
}

/** In words: names of a command that the roles in force do not know, and what they most likely mean. */
export const notesOn = (state: ClinicState, command: AdministrativeCommand): readonly string[] => {
  switch (command.kind) {
    case 'put_role':
      return roleNotes(state, command)
    case 'put_settings':
      return settingsNotes(namesInForce(state.roles), command)
    case 'put_resource':
      return [
        ...namesInWords(unknownNames(namesInForce(state.roles), { resourceTypes: [command.resourceType] })),
        ...namesInWords(unknownSensitivities(command.sensitivities)),
      ]
    case 'record_consent':
      return namesInWords(unknownNames(namesInForce(state.roles), { resourceTypes: command.resourceTypes }))
    default:
      return []
  }
}
