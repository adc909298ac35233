import { create } from '@bufbuild/protobuf'
import fc from 'fast-check'
import t from 'tap'
import { ClinicSettingsSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type SettingsDraft, settingsOf, validateSettings } from '../../../services/access/policy/settings-draft.ts'
import { settingsDraftOf, settingsMessage } from '../../../services/access/policy/settings-message.ts'
import { defaultSettings, type Settings, settingsIn } from '../../../services/access/state/settings.ts'

const unset: SettingsDraft = { own_record: '', open_resource_types: [], protect_every_type: false, consent_to_share: [] }
const noEmergency = {
  disabled: false,
  overrides: [],
  default_minutes: 0,
  max_minutes: 0,
  review_hours: 0,
  resource_types: [],
  read_actions: [],
  write_actions: [],
}
const fields = (change: Partial<SettingsDraft>) => validateSettings({ ...unset, ...change }).map(({ field }) => field)
const emergency = (change: object) => fields({ emergency: { ...noEmergency, ...change } })

t.test('what is unset has its default', async (t) => {
  t.strictSame(settingsOf(unset), defaultSettings)
  t.strictSame(settingsOf({ ...unset, emergency: noEmergency }), defaultSettings)
  t.strictSame(settingsOf({ ...unset, protect_every_type: true }).open_resource_types, [])
  t.strictSame(settingsOf({ ...unset, open_resource_types: ['b', 'a'], consent_to_share: ['y', 'x'] }), {
    ...defaultSettings,
    open_resource_types: ['a', 'b'],
    consent_to_share: ['x', 'y'],
  })
})

t.test('every field is checked and named', async (t) => {
  t.same(fields({}), [])
  for (const rule of ['deny', 'read', 'as_roles_permit']) t.same(fields({ own_record: rule }), [], rule)
  for (const rule of ['DENY', 'write', 'constructor']) t.same(fields({ own_record: rule }), ['settings.own_record'], rule)
  for (const type of ['', ' ', '*', 'a b', 'x'.repeat(65)]) {
    t.same(fields({ open_resource_types: ['invoice', type] }), ['settings.open_resource_types[1]'], type)
  }
  t.same(fields({ open_resource_types: ['a', 'a'] }), ['settings.open_resource_types'])
  t.same(fields({ open_resource_types: Array.from({ length: 101 }, (_, index) => `t${index}`) }), ['settings.open_resource_types'])
  t.same(fields({ open_resource_types: ['a'], protect_every_type: true }), ['settings.open_resource_types'])
  t.same(fields({ consent_to_share: ['*'] }), [])
  t.same(fields({ consent_to_share: ['*', 'imaging'] }), ['settings.consent_to_share'])
  t.same(fields({ consent_to_share: ['im aging'] }), ['settings.consent_to_share[0]'])
  t.same(emergency({ disabled: true, overrides: ['consent'] }), [])
  t.same(emergency({ overrides: ['forbid', 'consent', 'consent'] }), ['settings.emergency.overrides[0]', 'settings.emergency.overrides'])
})

t.test(
  'what an emergency reaches is named exactly, once, and never includes administration, evidence or what leaves the clinic',
  async (t) => {
    const at = (field: string) => `settings.emergency.${field}`
    t.same(emergency({ resource_types: ['patients/med', 'film'], read_actions: ['view'], write_actions: ['write', 'print'] }), [])
    for (const field of ['resource_types', 'read_actions', 'write_actions']) {
      for (const name of ['', '*', 'a b', 'x'.repeat(65)])
        t.same(emergency({ [field]: ['good', name] }), [at(`${field}[1]`)], `${field} ${name}`)
      t.same(emergency({ [field]: ['good', 'good'] }), [at(field)])
      t.same(emergency({ [field]: Array.from({ length: 64 }, (_, index) => `n${index}`) }), [])
      t.same(emergency({ [field]: Array.from({ length: 65 }, (_, index) => `n${index}`) }), [at(field)])
    }
    const types = [
      'audit_log',
      'care_team',
      'clinic_settings',
      'consent',
      'directory',
      'emergency_access',
      'patient_export',
      'revenue_report',
      'staff_account',
    ]
    for (const type of types) t.same(emergency({ resource_types: ['imaging', type] }), [at('resource_types[1]')], type)
    for (const action of ['export', 'share']) {
      t.same(emergency({ read_actions: [action] }), [at('read_actions[0]')], action)
      t.same(emergency({ write_actions: [action] }), [at('write_actions[0]')], action)
    }
    t.same(emergency({ read_actions: ['view'], write_actions: ['view'] }), [at('write_actions')], 'it either needs a role or does not')
    t.same(emergency({ read_actions: ['read', 'update'] }), [at('write_actions')], 'the default names it')
    t.same(emergency({ read_actions: ['read', 'update'], write_actions: ['create'] }), [])
    const [violation] = validateSettings({ ...unset, emergency: { ...noEmergency, resource_types: ['audit_log'] } })
    t.match(violation?.description, /audit_log.*no emergency/)
  },
)

t.test('an entry from before a clinic could name what an emergency reaches means the defaults', async (t) => {
  const { resource_types: _, read_actions: __, write_actions: ___, ...emergency } = defaultSettings.emergency
  t.strictSame(settingsIn({ ...defaultSettings, emergency, actor: { rule: 'scope/policy.write' } }), defaultSettings)
  const named = { ...emergency, max_minutes: 30, resource_types: ['film'], read_actions: ['view'], write_actions: ['print'] }
  t.strictSame(settingsIn({ ...defaultSettings, emergency: named, actor: { rule: 'scope/policy.write' } }).emergency, named)
})

t.test('minutes and hours lie within their limits, and the default within the most', async (t) => {
  t.same(emergency({ default_minutes: 1, max_minutes: 1, review_hours: 1 }), [])
  t.same(emergency({ default_minutes: 1_440, max_minutes: 1_440, review_hours: 720 }), [])
  t.same(emergency({ max_minutes: 1_441 }), ['settings.emergency.max_minutes'])
  t.same(emergency({ default_minutes: 1_441, max_minutes: 1_440 }), [
    'settings.emergency.default_minutes',
    'settings.emergency.default_minutes',
  ])
  t.same(emergency({ review_hours: 721 }), ['settings.emergency.review_hours'])
  t.same(emergency({ review_hours: 0.5 }), ['settings.emergency.review_hours'])
  t.same(emergency({ default_minutes: 90, max_minutes: 60 }), ['settings.emergency.default_minutes'])
  t.same(emergency({ default_minutes: 241 }), ['settings.emergency.default_minutes'], 'more than the most that holds unless named')
  t.same(emergency({ max_minutes: 30 }), ['settings.emergency.default_minutes'], 'less than the default that holds unless named')
})

t.test('settings that are read and put again are the same', async () => {
  const types = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 }).map((list) => list.sort())
  const settings: fc.Arbitrary<Settings> = fc.record({
    own_record: fc.constantFrom('deny', 'read', 'as_roles_permit'),
    open_resource_types: types,
    consent_to_share: fc.oneof(types, fc.constant(['*'])),
    emergency: fc.record({
      disabled: fc.boolean(),
      overrides: fc.constantFrom<Settings['emergency']['overrides']>(
        ['consent'],
        ['confidentiality', 'permissions'],
        ['confidentiality', 'consent', 'permissions'],
      ),
      default_minutes: fc.integer({ min: 1, max: 60 }),
      max_minutes: fc.integer({ min: 60, max: 1_440 }),
      review_hours: fc.integer({ min: 1, max: 720 }),
      resource_types: fc.constantFrom(['film', 'imaging'], ['x']),
      read_actions: fc.constantFrom(['read'], ['read', 'view']),
      write_actions: fc.constantFrom(['create', 'update'], ['print']),
    }),
  })
  fc.assert(
    fc.property(settings, (given) => {
      const draft = settingsDraftOf(create(ClinicSettingsSchema, settingsMessage(given)))
      return validateSettings(draft).length === 0 && JSON.stringify(settingsOf(draft)) === JSON.stringify(given)
    }),
  )
})
