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
import { tellNotes } from '../../output/notes.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional, withOptionNames } from '../../request.ts'
import type { Session } from '../../session.ts'
import { untilStopped } from '../../until-stopped.ts'
import { reportOption } from './report-options.ts'
import { parkedText } from './report-output.ts'

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
  const entry = row.entry === undefined ? '' : `  revision ${row.entry.revision}, recorded ${timeText(row.entry.time)}`
  const what = `${kind}  ${subjectText(row.subject)} ${row.action} ${record}${patient} (${why})`
  return `${timeText(row.occurredAt)}  ${printable(what)}${entry}\n`
}

/** What could be read meanwhile stands before the revision that the watch has come to: it will not be printed. */
const watchedParkedText = (now: bigint, before: bigint): string =>
  [
    ...(now > 0n ? [parkedText(now)] : []),
    ...(now < before ? ['What could not be read before now can: begin again from an earlier revision to see it.'] : []),
  ].join(' ')

/** Nothing before what was asked for is wanted, however far the ledger has come. */
const later = (asked: bigint | undefined, reached: bigint): bigint => (asked !== undefined && asked > reached ? asked : reached)

const worthRepeating = (thrown: unknown): boolean =>
  thrown instanceof ChartwardenError &&
  ['LEDGER_UNAVAILABLE', 'SERVICE_UNREACHABLE', 'SHUTTING_DOWN', 'OVERLOADED', 'DEADLINE_EXCEEDED'].includes(thrown.reason)

const hasExpired = (thrown: unknown): boolean => thrown instanceof ChartwardenError && thrown.reason === 'TOKEN_EXPIRED'

interface Following {
  readonly options: WatchOptions
  /** A connection with a token read, or made, anew. */
  readonly connect: () => Promise<Connection>
  readonly stop: AbortSignal
}

/**
 * Follows until `count` rows were printed or it is stopped. A watch that breaks is begun again after the last revision it had come to, one whose
 * token has expired with the token there is by then; a new one that has expired too ends it.
 */
const follow = async (session: Session, { options, connect, stop }: Following): Promise<void> => {
  const say = (line: string): Promise<void> => session.note(session.json ? JSON.stringify({ notes: [line] }) : line)
  const filter = accessFilter(options)
  const most = options.count ?? Number.POSITIVE_INFINITY
  let from = options.fromRevision
  let printed = 0
  let pause = firstPause
  let parked = 0n
  let connection = await connect()
  let state: 'begun' | 'connected' | 'lost' = 'begun'
  let renewed = false

  /** Of the first message of a call: the token is good, and the service there. */
  const heard = async (begins: bigint): Promise<void> => {
    pause = firstPause
    renewed = false
    if (state === 'connected') return
    await say(`${state === 'begun' ? 'Watching' : 'Connected again; going on'} from revision ${from ?? begins}.`)
    state = 'connected'
  }

  /** Whether the watch is over. */
  const followOnce = async (): Promise<boolean> => {
    const { reports, stream } = connection
    const request = { ...clinicFields(options), filter, ...optional('fromRevision', from) }
    for await (const { item, parkedEntries, notes } of stream((signal) =>
      reports.watchAccess(request, { signal: AbortSignal.any([signal, stop]) }),
    )) {
      if (item.case === 'row') {
        const { value: row } = item
        const revision = row.entry?.revision ?? -1n
        await heard(revision)
        await session.print(session.json ? `${JSON.stringify(messageJson(AccessRowSchema, row))}\n` : rowText(row))
        from = revision + 1n
        printed += 1
        if (printed >= most) return true
      } else if (item.case === 'completeToRevision') {
        await heard(item.value + 1n)
        from = later(from, item.value + 1n)
        if (parkedEntries !== parked) await say(watchedParkedText(parkedEntries, parked))
        parked = parkedEntries
      } else if (item.case === 'end' && item.value.completeToRevision > 0n) {
        // An end at 0 may be that of a watch that has come nowhere.
        from = later(from, item.value.completeToRevision + 1n)
      }
      await tellNotes(session, notes)
    }
    return false
  }

  /** Connects anew where the token has expired, and says whether it did; throws what going on would not mend. */
  const renew = async (thrown: unknown): Promise<boolean> => {
    if (!hasExpired(thrown) || renewed) {
      if (!worthRepeating(thrown)) throw withOptionNames(thrown, reportOption)
      return false
    }
    connection.close()
    connection = await connect()
    renewed = true
    return true
  }

  try {
    while (!stop.aborted) {
      try {
        if (await followOnce()) return
      } catch (thrown) {
        if (stop.aborted) return
        if (await renew(thrown)) continue
      }
      if (state !== 'lost') await say('The watch was interrupted; trying to go on.')
      state = 'lost'
      await sleep(pause, undefined, { signal: stop }).catch(() => undefined)
      pause = Math.min(pause * 2, longestPause)
    }
  } finally {
    if (from !== undefined && from > 0n) await say(`Stopped after revision ${from - 1n}; go on with --from-revision ${from}.`)
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
        const connect = (): Promise<Connection> => session.connect(needsOf(options, 'report.read', 'audit.unseal'))
        await untilStopped((stop) => follow(session, { options, connect, stop }))
        return 'ok'
      }),
    )
