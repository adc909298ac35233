import type { MessageInitShape } from '@bufbuild/protobuf'
import { Command, Option } from 'commander'
import {
  type ClinicSettings,
  type ClinicSettingsSchema,
  PutSettingsResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseCount, parseList } from '../../input/parsers.ts'
import { entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

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
    .option('--default-minutes <minutes>', 'of an emergency access that names none', parseCount(1440))
    .option('--max-minutes <minutes>', 'of one emergency access', parseCount(1440))
    .option('--review-hours <hours>', 'within which it must be reviewed', parseCount(720))
    .action(
      act(async (session, command) => {
        const options = command.opts<SetOptions>()
        const { policy } = await session.connect(needsOf(options, 'policy.read', 'policy.write'))
        const { settings } = await policy.getSettings(clinicFields(options))
        const answer = await change(session, options, (requestId) =>
          policy.putSettings({
            ...clinicFields(options),
            requestId,
            settings: changedSettings(settings as ClinicSettings, options),
            reason: options.reason,
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(PutSettingsResponseSchema, answer))}\n`)
        else await session.print(`The settings hold${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`)
        return 'ok'
      }),
    )
