import { Command } from 'commander'
import { type Staff, StaffSchema, StaffStatus } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ClinicOptions, type MomentOptions, momentField, withClinic, withMoment } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { createRowWriter } from '../../output/row-writer.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf } from '../../request.ts'

/** `active`, `suspended`, `offboarded`. */
export const statusText = (status: StaffStatus): string => (StaffStatus[status] ?? String(status)).toLowerCase()

const columns: readonly Column<Staff>[] = [
  { name: 'person', value: (person) => subjectText(person.subject) },
  { name: 'status', value: (person) => statusText(person.status) },
  { name: 'roles', value: (person) => person.grants.map((grant) => grant.role).join(', ') },
  { name: 'member_of', value: (person) => person.memberOf.map(subjectText).join(', ') },
  { name: 'cut_off', value: (person) => timeText(person.cutOff) },
]

interface ListOptions extends ClinicOptions, MomentOptions {
  readonly former?: true
}

export const listCommand = (act: Act): Command =>
  withMoment(withClinic(new Command('list').description('Everyone the clinic knows.')))
    .option('--former', 'also those who left')
    .action(
      act(async (session, command) => {
        const options = command.opts<ListOptions>()
        const { staff } = await session.connect(needsOf(options, 'staff.read'))
        const rows = createRowWriter<Staff>({
          format: session.json ? 'json' : 'table',
          columns,
          toJson: (person) => messageJson(StaffSchema, person),
          out: session.io.out,
        })
        let pageToken = ''
        let revision = 0n
        do {
          const page = await staff.listStaff({
            ...clinicFields(options),
            pageSize: 1000,
            pageToken,
            includeFormer: options.former ?? false,
            ...momentField(options),
          })
          for (const person of page.staff) await rows.write(person)
          pageToken = page.nextPageToken
          revision = page.completeToRevision
        } while (pageToken !== '')
        await rows.end({ complete_to_revision: String(revision) })
        return 'ok'
      }),
    )
