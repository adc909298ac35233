import type { SettingsChanged } from '../events.ts'

/** What a clinic settles beside its roles. */
export interface Settings extends Omit<SettingsChanged, 'actor' | 'sealed' | 'emergency'> {
  readonly emergency: Required<SettingsChanged['emergency']>
}

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
    resource_types: [
      'appointment',
      'clinical_note',
      'imaging',
      'lab_report',
      'medical_history',
      'message',
      'personal_details',
      'referral',
      'treatment_record',
    ],
    read_actions: ['read'],
    write_actions: ['create', 'update'],
  },
}

/** The settings that an entry makes hold. */
export const settingsIn = ({ own_record, open_resource_types, consent_to_share, emergency }: SettingsChanged): Settings => ({
  own_record,
  open_resource_types,
  consent_to_share,
  emergency: { ...defaultSettings.emergency, ...emergency },
})
