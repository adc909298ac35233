import { Command } from 'commander'
import { type EmergencyAccess, EmergencyAccessSchema } from '../../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { createRowWriter } from '../../output/row-writer.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf } from '../../request.ts'

const columns: readonly Column<EmergencyAccess>[] = [
  { name: 'person', value: ({ subject }) => subjectText(subject) },
  { name: 'patient', value: ({ patientId }) => patientId },
  { name: 'purpose', value: ({ purpose }) => purpose },
  { name: 'from', value: ({ from }) => timeText(from) },
  { name: 'until', value: ({ until }) => timeText(until) },
  { name: 'review_due', value: ({ reviewDue, overdue }) => `${timeText(reviewDue)}${overdue ? ' OVERDUE' : ''}` },
  { name: 'reason', value: ({ reason }) => reason },
  { name: 'id', value: ({ emergencyId }) => emergencyId },
]

export const listCommand = (act: Act): Command =>
  withClinic(
    new Command('list').description('Emergency accesses that owe a review, oldest first. Reading them is itself recorded.'),
  ).action(
    act(async (session, command) => {
      const options = command.opts<ClinicOptions>()
      const { emergencies } = await session.connect(needsOf(options, 'emergency.review', 'audit.unseal'))
      const rows = createRowWriter<EmergencyAccess>({
        format: session.json ? 'json' : 'table',
        columns,
        toJson: (emergency) => messageJson(EmergencyAccessSchema, emergency),
        out: session.io.out,
      })
      let pageToken = ''
      let revision = 0n
      do {
        const page = await emergencies.listUnreviewed({ ...clinicFields(options), pageSize: 1000, pageToken })
        for (const emergency of page.emergencies) await rows.write(emergency)
        pageToken = page.nextPageToken
        revision = page.completeToRevision
      } while (pageToken !== '')
      await rows.end({ complete_to_revision: String(revision) })
      return 'ok'
    }),
  )
