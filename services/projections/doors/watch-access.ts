/**
 * The live tail of accesses. The watch is one reading, recorded once; the person is decided anew before anything more is sent. It says how far
 * it has come, so that a watch that broke goes on where it was and misses nothing.
 */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { ReportService, WatchAccessResponseSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { CallContext } from '../../kernel/caller.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Handler } from '../../kernel/grpc/implement.ts'
import { pause } from '../../kernel/pause.ts'
import { watchedAccesses } from '../reports/watched-accesses.ts'
import { type Asked, type BeginReadingOptions, createBeginReading, readingOf } from './begin-reading.ts'
import { createClinicSlots } from './clinic-slots.ts'
import { accessRowMessage } from './report-messages.ts'
import { createRequestReader, pseudonymous } from './report-requests.ts'
import { accessHistoryReport } from './reports/access-history.ts'
import { unknownNames } from './unknown-names.ts'

export interface WatchAccessOptions extends BeginReadingOptions {
  /** How long a watch stays silent at most, in milliseconds. Defaults to 15,000. */
  readonly heartbeatMs?: number
  /** How long a watch gathers what is new before it looks, in milliseconds: each look is a query. Defaults to 250. */
  readonly gatherMs?: number
}

/** Watches of one clinic open in one process: each is a query whenever the clinic has something new. */
export const mostWatches = 32

type Response = MessageInitShape<typeof WatchAccessResponseSchema>

const latestRevision = 2n ** 63n - 1n

const least = (one: bigint, other: bigint): bigint => (one < other ? one : other)

export const createWatchAccess = (options: WatchAccessOptions): Handler<(typeof ReportService)['method']['watchAccess']> => {
  const { authoriseReading, progress, clock, heartbeatMs = 15_000, gatherMs = 250 } = options
  const begin = createBeginReading(options)
  const slots = createClinicSlots(mostWatches)

  /** Returns when the read models have come to the revision, at the latest after the heartbeat, or when the watch is over. */
  const somethingNew = async (clinic: string, revision: bigint, over: AbortSignal): Promise<void> => {
    try {
      await progress.waitFor(clinic, revision, clock.monotonic() + heartbeatMs, over)
      await pause(gatherMs, over)
    } catch (thrown) {
      const ended = thrown instanceof ChartwardenError && (thrown.reason === 'DEADLINE_EXCEEDED' || thrown.reason === 'CALL_CANCELLED')
      if (!ended) throw thrown
    }
  }

  const watch = async function* (
    context: CallContext,
    asked: Asked,
    filter: Parameters<typeof pseudonymous>[1],
    fromRevision: bigint | undefined,
  ): AsyncGenerator<Response, void, void> {
    const { call, revision } = await begin(context, asked, 'stream', 0n)
    const over = context.draining === undefined ? context.signal : AbortSignal.any([context.signal, context.draining])
    const pseudonymousFilter = pseudonymous(call.vault, filter)
    let next = fromRevision ?? revision + 1n
    let items = 0n
    // The entry of the reading is the ledger's last so far: who is cut off before the first row goes on after it.
    let completeTo = least(revision, next - 1n)
    let spoke: number | undefined
    let parkedEntries = 0n
    while (!over.aborted) {
      const found = await watchedAccesses(call, pseudonymousFilter, next)
      parkedEntries = found.parked
      const moved = found.completeTo >= next
      const silentTooLong = spoke === undefined || clock.monotonic() - spoke >= heartbeatMs
      if (moved || silentTooLong) await authoriseReading(context, readingOf(asked, 'later page'))
      for (const row of found.rows) yield { item: { case: 'row', value: accessRowMessage(row) } }
      items += BigInt(found.rows.length)
      if (moved) next = found.completeTo + 1n
      // A watch may begin with a revision that is still to come: what the read models have not reached is not complete.
      const reached = least(found.reached, next - 1n)
      if (reached > completeTo) completeTo = reached
      if (completeTo >= 0n && (found.rows.length > 0 || silentTooLong)) {
        const notes = spoke === undefined ? await unknownNames(call, asked.recorded) : []
        yield { item: { case: 'completeToRevision', value: completeTo }, parkedEntries, notes }
        spoke = clock.monotonic()
      }
      if (found.reached < next) await somethingNew(asked.clinic, next, over)
    }
    yield { item: { case: 'end', value: { items, completeToRevision: completeTo < 0n ? 0n : completeTo, parkedEntries } } }
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
    const asked: Asked = { name: 'watch_access', projections, weight: 'light', clinic, person, recorded: { ...recorded, filter } }
    const release = slots.take(clinic)
    try {
      yield* watch(context, asked, named, fromRevision)
    } finally {
      release()
    }
  }
}
