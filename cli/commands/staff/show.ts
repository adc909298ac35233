import { Command } from 'commander'
import { GetStaffResponseSchema, type Grant, type Staff } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ClinicOptions, type MomentOptions, momentField, withClinic, withMoment } from '../../input/common-options.ts'
import { parseTypedId, type TypedId } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import { table } from '../../output/table.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf } from '../../request.ts'
import { statusText } from './list.ts'

const grantColumns: readonly Column<Grant>[] = [
  { name: 'role', value: (grant) => grant.role },
  { name: 'grant_id', value: (grant) => grant.grantId },
  { name: 'from', value: (grant) => timeText(grant.from) },
  { name: 'until', value: (grant) => timeText(grant.until) },
  { name: 'grantor', value: (grant) => subjectText(grant.grantor) },
  { name: 'reason', value: (grant) => grant.reason },
]

const personText = (person: Staff, revision: bigint): string => {
  const cutOff = person.cutOff === undefined ? '' : `  sign-ins until ${timeText(person.cutOff)} are void\n`
  const organisations = person.memberOf.length === 0 ? '' : `  works for ${printable(person.memberOf.map(subjectText).join(', '))}\n`
  const patient = person.isPatient ? '  is a patient of the clinic too\n' : ''
  const grants = person.grants.length === 0 ? '  holds no role\n' : table(grantColumns, person.grants)
  return `${printable(subjectText(person.subject))}: ${statusText(person.status)}, as of revision ${revision}\n${cutOff}${organisations}${patient}${grants}`
}

export const showCommand = (act: Act): Command =>
  withMoment(
    withClinic(
      new Command('show').description('One person and what the person holds.').argument('<person>', 'who, as type:id', parseTypedId),
    ),
  ).action(
    act(async (session, command) => {
      const options = command.opts<ClinicOptions & MomentOptions>()
      const { staff } = await session.connect(needsOf(options, 'staff.read', 'audit.unseal'))
      const answer = await staff.getStaff({
        ...clinicFields(options),
        subject: command.processedArgs[0] as TypedId,
        ...momentField(options),
      })
      if (session.json) await session.print(`${JSON.stringify(messageJson(GetStaffResponseSchema, answer))}\n`)
      else if (answer.staff !== undefined) await session.print(personText(answer.staff, answer.completeToRevision))
      return 'ok'
    }),
  )
