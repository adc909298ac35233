import { Command } from 'commander'
import { type Clinic, ClinicSchema, RegisterClinicResponseSchema } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { listClinics } from '../clinics.ts'
import { parseClinics, parseTypedId, parseUuid, type TypedId } from '../input/parsers.ts'
import type { Column } from '../output/column.ts'
import { entryText } from '../output/describe.ts'
import { messageJson } from '../output/message-json.ts'
import { createRowWriter } from '../output/row-writer.ts'
import type { Act } from '../program.ts'
import { change } from '../request.ts'

interface AddOptions {
  readonly title: string
  readonly timeZone: string
  readonly administrator: TypedId
  readonly requestId?: string
}

const columns: readonly Column<Clinic>[] = [
  { name: 'clinic', value: (clinic) => clinic.clinic },
  { name: 'title', value: (clinic) => clinic.title },
  { name: 'time_zone', value: (clinic) => clinic.timeZone },
  { name: 'head_revision', value: (clinic) => String(clinic.headRevision) },
]

const addCommand = (act: Act): Command =>
  new Command('add')
    .description('Register a clinic: opens its ledger with its first administrator.')
    .argument('<id>', 'lower-case letters, digits and hyphens, at most 63')
    .requiredOption('--title <text>', 'name for people')
    .requiredOption('--time-zone <name>', 'IANA time zone, for example Europe/Berlin')
    .requiredOption('--administrator <type:id>', 'the first person who may administer it', parseTypedId)
    .option('--request-id <uuid>', 'repeats an earlier call safely (default: a new one)', parseUuid)
    .action(
      act(async (session, command) => {
        const clinic = command.processedArgs[0] as string
        const { title, timeZone, administrator, requestId: given } = command.opts<AddOptions>()
        const { clinics } = await session.connect({ clinics: [], scopes: ['clinic.register'] })
        const answer = await change(session, given === undefined ? {} : { requestId: given }, (requestId) =>
          clinics.registerClinic({ requestId, clinic, title, timeZone, administrator }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(RegisterClinicResponseSchema, answer))}\n`)
        else await session.print(`Clinic ${clinic} is registered${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`)
        return 'ok'
      }),
    )

const listCommand = (act: Act): Command =>
  new Command('list')
    .description("The clinics that the token reaches. A token of one's own names them; a development token must be told.")
    .option('--clinic <ids>', 'clinics to ask for, separated by commas (with a development token)', parseClinics)
    .action(
      act(async (session, command) => {
        const { clinic } = command.opts<{ readonly clinic?: readonly string[] }>()
        const { clinics } = await session.connect({ clinics: clinic ?? ['demo'], scopes: ['staff.read'] })
        const rows = createRowWriter<Clinic>({
          format: session.json ? 'json' : 'table',
          columns,
          toJson: (row) => messageJson(ClinicSchema, row),
          out: session.io.out,
        })
        let found = 0
        for await (const row of listClinics(clinics)) {
          await rows.write(row)
          found += 1
        }
        await rows.end({})
        if (found === 0 && clinic === undefined) {
          await session.note('The token reaches no clinic. A development token reaches none by itself: name clinics with --clinic.')
        }
        return 'ok'
      }),
    )

export const clinicCommand = (act: Act): Command =>
  new Command('clinic').description('Register and list clinics.').addCommand(addCommand(act)).addCommand(listCommand(act))
