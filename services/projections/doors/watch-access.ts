/**
 * The live tail of accesses. The watch is one reading, recorded once; the person is decided anew before anything more is sent. It says how far
 * it has come, so that a watch that broke goes on where it was and misses nothing.
 */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { ReportService, WatchAccessResponseSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { CallContext } from '../../kernel/caller.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Handler } from '../../kernel/grpc/implement.ts'
import { watchedAccesses } from '../reports/watched-accesses.ts'
import { type Asked, type BeginReadingOptions, createBeginReading, readingOf } from './begin-reading.ts'
import { accessRowMessage } from './report-messages.ts'
import { createRequestReader, pseudonymous } from './report-requests.ts'
import { accessHistoryReport } from './reports/access-history.ts'

export interface WatchAccessOptions extends BeginReadingOptions {
  /** How long a watch stays silent at most, in milliseconds. Defaults to 15,000. */
  readonly heartbeatMs?: number
}

type Response = MessageInitShape<typeof WatchAccessResponseSchema>

const latestRevision = 2n ** 63n - 1n

export const createWatchAccess = (options: WatchAccessOptions): Handler<(typeof ReportService)['method']['watchAccess']> => {
  const { authoriseReading, progress, clock, heartbeatMs = 15_000 } = options
  const begin = createBeginReading(options)

  /** Returns when the read models have come to the revision, at the latest after the heartbeat, or when the watch is over. */
  const somethingNew = async (clinic: string, revision: bigint, over: AbortSignal): Promise<void> => {
    try {
      await progress.waitFor(clinic, revision, clock.monotonic() + heartbeatMs, over)
    } catch (thrown) {
      const ended = thrown instanceof ChartwardenError && (thrown.reason === 'DEADLINE_EXCEEDED' || thrown.reason === 'CALL_CANCELLED')
      if (!ended) throw thrown
    }
  }

  return async function* (request, context: CallContext): AsyncGenerator<Response, void, void> {
    const reader = createRequestReader()
    const { clinic, person } = reader.common(request)
    const named = accessHistoryReport.read(request.filter, reader.at('filter'))
    const { fromRevision } = request
    if (fromRevision !== undefined && fromRevision > latestRevision) reader.wrong('from_revision', 'is larger than any revision')
    reader.finish()
    const recorded = accessHistoryReport.recorded(named)
    const filter = { ...recorded.filter, from_revision: fromRevision === undefined ? undefined : String(fromRevision) }
    const { projections } = accessHistoryReport
    const asked: Asked = { name: 'watch_access', projections, clinic, person, recorded: { ...recorded, filter } }
    const { call, revision } = await begin(context, asked, 'stream', 0n)
    const over = context.draining === undefined ? context.signal : AbortSignal.any([context.signal, context.draining])
    const pseudonymousFilter = pseudonymous(call.vault, named)
    let next = fromRevision ?? revision + 1n
    let items = 0n
    let said = clock.monotonic()
    while (!over.aborted) {
      const { rows, completeTo } = await watchedAccesses(call, pseudonymousFilter, next)
      const moved = completeTo >= next
      const silentTooLong = clock.monotonic() - said >= heartbeatMs
      if (moved || silentTooLong) await authoriseReading(context, readingOf(asked, 'later page'))
      for (const row of rows) yield { item: { case: 'row', value: accessRowMessage(row) } }
      items += BigInt(rows.length)
      if (moved) next = completeTo + 1n
      if (next > 0n && (rows.length > 0 || silentTooLong)) {
        yield { item: { case: 'completeToRevision', value: next - 1n } }
        said = clock.monotonic()
      }
      if (!moved) await somethingNew(clinic, next, over)
    }
    yield { item: { case: 'end', value: { items, completeToRevision: next > 0n ? next - 1n : 0n } } }
  }
}
