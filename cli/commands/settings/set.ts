import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { Command, Option } from 'commander'
import {
  type ClinicSettings,
  ClinicSettingsSchema,
  PutSettingsResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseCount, parseList } from '../../input/parsers.ts'
import { entryText } from '../../output/describe.ts'
import { changesText, type Members, memberChanges } from '../../output/member-changes.ts'
import { messageObject } from '../../output/message-json.ts'
import { tellNotes } from '../../output/notes.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf, underOptions } from '../../request.ts'

interface SetOptions extends ChangeOptions {
  readonly reason: string
  readonly ownRecord?: string
  readonly openTypes?: readonly string[]
  readonly protectEveryType?: true
  /** False: none. */
  readonly consentToShare?: readonly string[] | false
  readonly emergency?: 'on' | 'off'
  readonly overrides?: readonly string[]
  readonly emergencyTypes?: readonly string[]
  readonly readActions?: readonly string[]
  readonly writeActions?: readonly string[]
  readonly defaultMinutes?: number
  readonly maxMinutes?: number
  readonly reviewHours?: number
}

const openTypes = (now: ClinicSettings, { openTypes: given, protectEveryType }: SetOptions) => {
  if (protectEveryType) return { protectEveryType: true, openResourceTypes: [] }
  if (given !== undefined) return { protectEveryType: false, openResourceTypes: [...given] }
  return { protectEveryType: now.protectEveryType, openResourceTypes: now.openResourceTypes }
}

/** The settings in force with what was asked for in their place. */
const changedSettings = (now: ClinicSettings, options: SetOptions): MessageInitShape<typeof ClinicSettingsSchema> => ({
  ownRecord: options.ownRecord ?? now.ownRecord,
  ...openTypes(now, options),
  consentToShare: options.consentToShare === false ? [] : [...(options.consentToShare ?? now.consentToShare)],
  emergency: {
    disabled: options.emergency === undefined ? (now.emergency?.disabled ?? false) : options.emergency === 'off',
    overrides: [...(options.overrides ?? now.emergency?.overrides ?? [])],
    defaultMinutes: options.defaultMinutes ?? now.emergency?.defaultMinutes ?? 0,
    maxMinutes: options.maxMinutes ?? now.emergency?.maxMinutes ?? 0,
    reviewHours: options.reviewHours ?? now.emergency?.reviewHours ?? 0,
    resourceTypes: [...(options.emergencyTypes ?? now.emergency?.resourceTypes ?? [])],
    readActions: [...(options.readActions ?? now.emergency?.readActions ?? [])],
    writeActions: [...(options.writeActions ?? now.emergency?.writeActions ?? [])],
  },
})

/** Options that change something. */
const changing = [
  'ownRecord',
  'openTypes',
  'protectEveryType',
  'consentToShare',
  'emergency',
  'overrides',
  'emergencyTypes',
  'readActions',
  'writeActions',
  'defaultMinutes',
  'maxMinutes',
  'reviewHours',
] as const satisfies readonly (keyof SetOptions)[]

const optionsOfFields = {
  'settings.own_record': '--own-record',
  'settings.open_resource_types': '--open-types',
  'settings.consent_to_share': '--consent-to-share',
  'settings.emergency.overrides': '--overrides',
  'settings.emergency.resource_types': '--emergency-types',
  'settings.emergency.read_actions': '--read-actions',
  'settings.emergency.write_actions': '--write-actions',
  'settings.emergency.default_minutes': '--default-minutes',
  'settings.emergency.max_minutes': '--max-minutes',
  'settings.emergency.review_hours': '--review-hours',
  reason: '--reason',
} as const

/** `emergency.max_minutes` and the like, each a member of what is compared. */
const membersOf = (settings: ClinicSettings): Members => {
  const { emergency, ...others } = messageObject(ClinicSettingsSchema, settings)
  const ofEmergency = Object.entries((emergency ?? {}) as Members).map(([name, value]) => [`emergency.${name}`, value])
  return { ...others, ...Object.fromEntries(ofEmergency) } as Members
}

export const setCommand = (act: Act): Command =>
  withChange(new Command('set').description('Change some settings; the others stay as they are.'))
    .requiredOption('--reason <text>', 'why; kept sealed')
    .addOption(
      new Option('--own-record <rule>', 'what staff may do with their own patient record').choices(['deny', 'read', 'as_roles_permit']),
    )
    .option('--open-types <types>', 'resource types that the protection of employees and VIPs leaves open, separated by commas', parseList)
    .addOption(new Option('--protect-every-type', 'leave no resource type open').conflicts('openTypes'))
    .option('--consent-to-share <types>', 'resource types, or *, that go to a third party only with consent', parseList)
    .addOption(new Option('--no-consent-to-share', 'no resource type needs consent'))
    .addOption(new Option('--emergency <on|off>', 'whether there is emergency access').choices(['on', 'off']))
    .option('--overrides <kinds>', 'what emergency access overrides: consent, confidentiality, permissions', parseList)
    .option('--emergency-types <types>', 'resource types that emergency access reaches, all of them, separated by commas', parseList)
    .option('--read-actions <actions>', 'actions that read: emergency access to them needs no role', parseList)
    .option('--write-actions <actions>', 'further actions of emergency access, as far as a role of the person has them', parseList)
    .option('--default-minutes <minutes>', 'of an emergency access that names none, at most 1440', parseCount(1440))
    .option('--max-minutes <minutes>', 'of one emergency access, at most 1440', parseCount(1440))
    .option('--review-hours <hours>', 'within which it must be reviewed, at most 720', parseCount(720))
    .action(
      act(async (session, command) => {
        const options = command.opts<SetOptions>()
        if (!changing.some((name) => options[name] !== undefined)) {
          throw new ChartwardenError('INVALID_ARGUMENT', { message: 'Name at least one setting to change; see --help.' })
        }
        const { policy } = await session.connect(needsOf(options, 'policy.read', 'policy.write'))
        const { settings } = await policy.getSettings(clinicFields(options))
        const put = create(ClinicSettingsSchema, changedSettings(settings as ClinicSettings, options))
        const answer = await change(session, options, (requestId) =>
          underOptions(optionsOfFields, () =>
            policy.putSettings({ ...clinicFields(options), requestId, settings: put, reason: options.reason }),
          ),
        )
        const changes = memberChanges(membersOf(settings as ClinicSettings), membersOf(put))
        if (session.json) await session.print(`${JSON.stringify({ ...messageObject(PutSettingsResponseSchema, answer), changes })}\n`)
        else {
          const said = changes.length === 0 ? '  they are the same as before\n' : changesText(changes)
          await session.print(`The settings hold${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n${said}`)
          await tellNotes(session, answer.notes)
        }
        return 'ok'
      }),
    )
