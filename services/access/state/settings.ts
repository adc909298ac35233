import type { SettingsChanged } from '../events.ts'

/** What a clinic settles beside its roles. */
export type Settings = Omit<SettingsChanged, 'actor' | 'sealed'>

/** What holds until a clinic settles otherwise. */
export const defaultSettings: Settings = {
  own_record: 'deny',
  open_resource_types: ['appointment', 'invoice', 'message', 'personal_details'],
  consent_to_share: [],
  emergency: {
    disabled: false,
    overrides: ['confidentiality', 'consent', 'permissions'],
    default_minutes: 60,
    max_minutes: 240,
    review_hours: 72,
  },
}
