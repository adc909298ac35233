import { fromJson, type JsonValue, type MessageInitShape } from '@bufbuild/protobuf'
import { Command, Option } from 'commander'
import {
  type ClinicSettings,
  ClinicSettingsSchema,
  type NotSimulated,
  type ProposedPolicySchema,
  type SimulatedChange,
  type SimulateResponse,
  SimulateResponseSchema,
} from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { planImport } from '../../services/access/policy/import/plan-import.ts'
import { roleMessage } from '../../services/access/policy/role-message.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Connection } from '../connection.ts'
import { type ClinicOptions, withClinic } from '../input/common-options.ts'
import { parseCount, parseList } from '../input/parsers.ts'
import { type QuestionOptions, questionFields, questionOf, withQuestion } from '../input/question-options.ts'
import { readText } from '../input/read-text.ts'
import type { Column } from '../output/column.ts'
import { answerLine } from '../output/decision.ts'
import { count, entryText, subjectText } from '../output/describe.ts'
import { messageJson } from '../output/message-json.ts'
import { table } from '../output/table.ts'
import type { Act } from '../program.ts'
import { clinicFields, needsOf, underOptions } from '../request.ts'
import { readRoleFiles } from '../role-files.ts'
import { rolesInForce } from '../roles-in-force.ts'

interface SimulateOptions extends ClinicOptions, QuestionOptions {
  readonly roles?: string
  readonly bounds?: string
  readonly purposes?: string
  readonly retire?: readonly string[]
  readonly settings?: string
  readonly last?: number
}

const changeColumns: readonly Column<SimulatedChange>[] = [
  { name: 'revision', value: ({ recorded }) => (recorded === undefined ? '' : String(recorded.revision)) },
  { name: 'subject', value: ({ subject }) => subjectText(subject) },
  { name: 'action', value: ({ action }) => action },
  { name: 'resource_type', value: ({ resourceType }) => resourceType },
  { name: 'purpose', value: ({ purpose }) => purpose },
  { name: 'today', value: ({ today }) => (today === undefined ? '' : answerLine(today)) },
  { name: 'proposed', value: ({ proposed }) => (proposed === undefined ? '' : answerLine(proposed)) },
]

const exceptionColumns: readonly Column<NotSimulated>[] = [
  { name: 'revision', value: ({ recorded }) => String(recorded?.revision ?? '') },
  { name: 'not_simulated', value: ({ reason }) => reason },
  { name: 'attributes', value: ({ attributes }) => attributes.join(', ') },
]

/** What was cut off is said, never only left out. */
const listed = (shown: number, all: number): string => (shown < all ? `  the ${shown} newest of ${all} are listed\n` : '')

const simulationText = (answer: SimulateResponse): string =>
  [
    answer.changes.length === 0 ? '' : table(changeColumns, answer.changes),
    listed(answer.changes.length, answer.changed),
    answer.notSimulated.length === 0 ? '' : table(exceptionColumns, answer.notSimulated),
    listed(answer.notSimulated.length, answer.notSimulatedCount),
    `${count(answer.decided, 'question')} decided with both, ${answer.changed} would be answered otherwise`,
    answer.notSimulatedCount === 0 ? '.\n' : `, ${answer.notSimulatedCount} could not be decided anew.\n`,
    `  as of revision ${answer.completeToRevision}; ${entryText(answer.entry)}\n`,
  ].join('')

/** Settings as `settings show --json` prints them, or what stands below "settings" there. */
const readSettings = async (file: string): Promise<ClinicSettings> => {
  try {
    const given = JSON.parse(await readText(file)) as { readonly settings?: JsonValue } & JsonValue
    return fromJson(ClinicSettingsSchema, given.settings ?? given)
  } catch (cause) {
    if (cause instanceof ChartwardenError) throw cause
    const message = `The file ${file} does not hold settings as \`settings show --json\` prints them.`
    throw new ChartwardenError('INVALID_ARGUMENT', { message, cause })
  }
}

/** The changed roles of the files, each after what it inherits. */
const readRoles = async (policy: Connection['policy'], options: SimulateOptions) => {
  if (options.roles === undefined) return []
  const { roles } = await readRoleFiles({ roles: options.roles, bounds: options.bounds, purposes: options.purposes })
  const plan = planImport(roles, (await rolesInForce(policy, options)).roles)
  if (plan.kind === 'problems') {
    const fields = plan.problems.map(({ role, message }) => ({ field: `role ${JSON.stringify(role)}`, description: message }))
    throw new ChartwardenError('INVALID_ARGUMENT', { message: 'The roles could not be put in force.', fields })
  }
  return plan.roles.filter(({ change }) => change !== 'unchanged').map(({ role }) => roleMessage(role))
}

const proposedOf = async (
  policy: Connection['policy'],
  options: SimulateOptions,
): Promise<MessageInitShape<typeof ProposedPolicySchema>> => ({
  putRoles: await readRoles(policy, options),
  retireRoles: [...(options.retire ?? [])],
  ...(options.settings === undefined ? {} : { settings: await readSettings(options.settings) }),
})

const fieldOptions = { ...questionFields('check.'), 'proposed.retire_roles': '--retire', last_decisions: '--last' }

export const simulateCommand = (act: Act): Command =>
  withQuestion(
    withClinic(
      new Command('simulate').description(
        'What a proposed policy would change, for one question or for the last recorded decisions. Nothing is applied; the look is recorded.',
      ),
    )
      .option('--roles <file>', 'roles to put, in any format that `import roles` reads')
      .option('--bounds <csv>', "bounds of the limited cells of a clinic's table")
      .option('--purposes <csv>', "purposes of use of each role of a clinic's table or OpenEMR's")
      .option('--retire <roles>', 'roles to retire, separated by commas', parseList)
      .option('--settings <file>', 'settings to put, as `settings show --json` prints them')
      .addOption(
        new Option('--last <count>', 'decide the last recorded decisions anew, instead of one question; at most 10000; needs audit.unseal')
          .argParser(parseCount(10_000))
          .conflicts(['subject', 'action', 'resource', 'purpose']),
      ),
  ).action(
    act(async (session, command) => {
      const options = command.opts<SimulateOptions>()
      if (options.roles === undefined && options.retire === undefined && options.settings === undefined) {
        throw new ChartwardenError('INVALID_ARGUMENT', { message: 'Say what is proposed: --roles, --retire or --settings.' })
      }
      const { policy } = await session.connect(
        needsOf(
          options,
          'policy.simulate',
          ...(options.roles === undefined ? [] : ['policy.read' as const]),
          ...(options.last === undefined ? [] : ['audit.unseal' as const]),
        ),
      )
      const proposed = await proposedOf(policy, options)
      const answer = await underOptions(fieldOptions, () =>
        policy.simulate({
          ...clinicFields(options),
          proposed,
          questions:
            options.last === undefined ? { case: 'check', value: questionOf(options) } : { case: 'lastDecisions', value: options.last },
        }),
      )
      await session.print(session.json ? `${JSON.stringify(messageJson(SimulateResponseSchema, answer))}\n` : simulationText(answer))
      return 'ok'
    }),
  )
