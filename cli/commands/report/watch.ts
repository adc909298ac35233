import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { AccessKind, type AccessRow, AccessRowSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import type { Connection } from '../../connection.ts'
import { type AccessFilterOptions, accessFilter, withAccessFilter } from '../../input/access-filter.ts'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import { parseCount, parseRevision } from '../../input/parsers.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional } from '../../request.ts'
import type { Session } from '../../session.ts'

interface WatchOptions extends ClinicOptions, AccessFilterOptions {
  readonly fromRevision?: bigint
  readonly count?: number
}

/** Pauses before the watch is begun again, in milliseconds: doubled from the first to the last. */
const firstPause = 250
const longestPause = 10_000

const rowText = (row: AccessRow): string => {
  const kind = (AccessKind[row.kind] ?? '').toLowerCase()
  const patient = row.patientId === '' ? '' : ` of patient ${row.patientId}`
  const why = [row.purpose, row.reasonCode, row.flags.join(' ')].filter((part) => part !== '').join(', ')
  const record = `${row.resourceType}:${row.resourceId}`
  return `${timeText(row.occurredAt)}  ${printable(`${kind}  ${subjectText(row.subject)} ${row.action} ${record}${patient} (${why})`)}\n`
}

const worthRepeating = (thrown: unknown): boolean =>
  thrown instanceof ChartwardenError &&
  ['LEDGER_UNAVAILABLE', 'SERVICE_UNREACHABLE', 'SHUTTING_DOWN', 'OVERLOADED', 'DEADLINE_EXCEEDED'].includes(thrown.reason)

/** Follows until `count` rows were printed. A watch that breaks is begun again after the last revision it had come to. */
const follow = async (session: Session, { reports, stream }: Connection, options: WatchOptions): Promise<void> => {
  const filter = accessFilter(options)
  const most = options.count ?? Number.POSITIVE_INFINITY
  let from = options.fromRevision
  let printed = 0
  let pause = firstPause
  while (printed < most) {
    try {
      const request = { ...clinicFields(options), filter, ...optional('fromRevision', from) }
      for await (const { item } of stream((signal) => reports.watchAccess(request, { signal }))) {
        pause = firstPause
        if (item.case === 'row') {
          await session.print(session.json ? `${JSON.stringify(messageJson(AccessRowSchema, item.value))}\n` : rowText(item.value))
          from = (item.value.entry?.revision ?? -1n) + 1n
          printed += 1
          if (printed >= most) return
        } else if (item.case === 'completeToRevision') from = item.value + 1n
      }
    } catch (thrown) {
      if (!worthRepeating(thrown)) throw thrown
    }
    await session.note(`The watch was interrupted; going on${from === undefined ? '' : ` from revision ${from}`}.`)
    await sleep(pause)
    pause = Math.min(pause * 2, longestPause)
  }
}

export const watchCommand = (act: Act): Command =>
  withAccessFilter(
    withClinic(
      new Command('watch').description(
        'Accesses as they happen, a line each, until it is stopped. A watch that breaks goes on where it was. It is recorded as one reading.',
      ),
    ),
  )
    .option('--from-revision <number>', 'begin with this revision (default: with what happens from now on)', parseRevision)
    .option('--count <number>', 'end after so many', parseCount(1_000_000_000))
    .action(
      act(async (session, command) => {
        const options = command.opts<WatchOptions>()
        await follow(session, await session.connect(needsOf(options, 'report.read', 'audit.unseal')), options)
        return 'ok'
      }),
    )
