/** Settings as the contract carries them, and back. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { ClinicSettings, ClinicSettingsSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { Settings } from '../state/settings.ts'
import type { SettingsDraft } from './settings-draft.ts'

/** What a message proposes; nothing of it is checked. */
export const settingsDraftOf = ({ emergency, ...settings }: ClinicSettings): SettingsDraft => ({
  own_record: settings.ownRecord,
  open_resource_types: settings.openResourceTypes,
  protect_every_type: settings.protectEveryType,
  consent_to_share: settings.consentToShare,
  ...(emergency === undefined
    ? {}
    : {
        emergency: {
          disabled: emergency.disabled,
          overrides: emergency.overrides,
          default_minutes: emergency.defaultMinutes,
          max_minutes: emergency.maxMinutes,
          review_hours: emergency.reviewHours,
          resource_types: emergency.resourceTypes,
          read_actions: emergency.readActions,
          write_actions: emergency.writeActions,
        },
      }),
})

/** Settings in force as a message that, put again, changes nothing. */
export const settingsMessage = (settings: Settings): MessageInitShape<typeof ClinicSettingsSchema> => ({
  ownRecord: settings.own_record,
  openResourceTypes: [...settings.open_resource_types],
  protectEveryType: settings.open_resource_types.length === 0,
  consentToShare: [...settings.consent_to_share],
  emergency: {
    disabled: settings.emergency.disabled,
    overrides: [...settings.emergency.overrides],
    defaultMinutes: settings.emergency.default_minutes,
    maxMinutes: settings.emergency.max_minutes,
    reviewHours: settings.emergency.review_hours,
    resourceTypes: [...settings.emergency.resource_types],
    readActions: [...settings.emergency.read_actions],
    writeActions: [...settings.emergency.write_actions],
  },
})
