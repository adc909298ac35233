import { Command } from 'commander'
import { type ClinicSettings, GetSettingsResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { messageJson } from '../../output/message-json.ts'
import { table } from '../../output/table.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf } from '../../request.ts'

interface Setting {
  readonly setting: string
  readonly value: string
}

const columns: readonly Column<Setting>[] = [
  { name: 'setting', value: ({ setting }) => setting },
  { name: 'value', value: ({ value }) => value },
]

/** Settings with every default filled in, as the service gives them. */
const settingsText = ({ ownRecord, openResourceTypes, consentToShare, emergency }: ClinicSettings): string =>
  table(columns, [
    { setting: 'own_record', value: ownRecord },
    { setting: 'open_resource_types', value: openResourceTypes.join(', ') || 'none, every type is protected' },
    { setting: 'consent_to_share', value: consentToShare.join(', ') || 'none' },
    { setting: 'emergency', value: emergency?.disabled ? 'disabled' : 'enabled' },
    { setting: 'emergency.overrides', value: emergency?.overrides.join(', ') ?? '' },
    { setting: 'emergency.default_minutes', value: String(emergency?.defaultMinutes ?? '') },
    { setting: 'emergency.max_minutes', value: String(emergency?.maxMinutes ?? '') },
    { setting: 'emergency.review_hours', value: String(emergency?.reviewHours ?? '') },
    { setting: 'emergency.resource_types', value: emergency?.resourceTypes.join(', ') ?? '' },
    { setting: 'emergency.read_actions', value: emergency?.readActions.join(', ') ?? '' },
    { setting: 'emergency.write_actions', value: emergency?.writeActions.join(', ') ?? '' },
  ])

export const showCommand = (act: Act): Command =>
  withClinic(new Command('show').description('What the clinic has settled; the defaults until it has.')).action(
    act(async (session, command) => {
      const options = command.opts<ClinicOptions>()
      const { policy } = await session.connect(needsOf(options, 'policy.read'))
      const answer = await policy.getSettings(clinicFields(options))
      if (session.json) await session.print(`${JSON.stringify(messageJson(GetSettingsResponseSchema, answer))}\n`)
      else if (answer.settings !== undefined) await session.print(settingsText(answer.settings))
      return 'ok'
    }),
  )
