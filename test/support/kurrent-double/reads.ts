/** The door through which a client reads and subscribes. */
import { once } from 'node:events'
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { ReadReq, ReadResp as ReadResponse } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js'
import streamsPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js'
import { type EventLog, type RecordedEvent, StreamTombstoned } from './event-log.ts'
import { identifierOf, readEvent, streamName } from './messages.ts'
import { type CallFault, faultOf } from './server-faults.ts'

type ReadCall = ServerWritableStream<ReadReq, ReadResponse>

const { ReadResp } = streamsPb

/** How subscriptions misbehave. */
export interface SubscriptionFaults {
  /** They stay open and say nothing. */
  silent: boolean
  /** They tell no checkpoints. */
  withoutCheckpoints: boolean
  /** They tell a checkpoint only behind the next event that comes. */
  slowCheckpoints: boolean
}

interface Doors {
  readonly log: EventLog
  readonly faults: SubscriptionFaults
  /** How much of the log this node has; undefined for all of it. */
  readonly seen: () => number | undefined
  /** What keeps this node from answering. */
  readonly refusal: (call: ReadCall, stream: string) => CallFault | undefined
  /** Told of every subscription, so that it can be ended. */
  readonly opened: (end: (fault: CallFault | undefined) => void) => () => void
}

type Filter = (event: RecordedEvent) => boolean

const filterOf = (filter: ReadReq.Options.FilterOptions | undefined): Filter => {
  const expression = filter?.getStreamIdentifier() ?? filter?.getEventType()
  if (filter === undefined || expression === undefined) return () => true
  const subject = filter.hasStreamIdentifier() ? ({ stream }: RecordedEvent) => stream : ({ type }: RecordedEvent) => type
  const regex = expression.getRegex() === '' ? undefined : new RegExp(expression.getRegex())
  const prefixes = expression.getPrefixList()
  return (event) => regex?.test(subject(event)) ?? prefixes.some((prefix) => subject(event).startsWith(prefix))
}

/** The first event of a page, which positions tell in order. */
const indexAfter = (log: readonly RecordedEvent[], position: bigint): number => {
  let [low, high] = [0, log.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((log[middle] as RecordedEvent).position <= position) low = middle + 1
    else high = middle
  }
  return low
}

const checkpointWindow = 32

export const serveRead =
  ({ log, faults, seen, refusal, opened }: Doors) =>
  (call: ReadCall): void => {
    const options = call.request.getOptions() ?? new streamsPb.ReadReq.Options()
    const name = streamName(options.getStream()?.getStreamIdentifier())
    const matches = filterOf(options.getFilter())
    const uuid = options.getUuidOption()
    const gone = new AbortController()
    call.on('cancelled', () => gone.abort())
    call.on('error', () => gone.abort())

    const fail = (fault: CallFault): void => {
      gone.abort()
      call.emit('error', faultOf(fault))
    }

    const send = async (response: ReadResponse): Promise<void> => {
      if (!gone.signal.aborted && !call.write(response)) await once(call, 'drain', { signal: gone.signal }).catch(() => {})
    }

    /** Everything the node has of what was asked, from the oldest on; undefined where there is no stream. */
    const source = (): readonly RecordedEvent[] | undefined => (options.hasStream() ? log.stream(name, seen()) : log.all(seen()))

    /** Where in the source a read starts: what is asked is itself read. */
    const startOf = (events: readonly RecordedEvent[], forwards: boolean): number => {
      const place = options.getStream() ?? options.getAll()
      if (place?.hasStart()) return forwards ? 0 : -1
      if (place?.hasEnd()) return forwards ? events.length : events.length - 1
      const revision = options.getStream()?.getRevision()
      if (revision !== undefined) {
        const first = events[0]?.revision ?? 0n
        return Number(
          BigInt(revision) - first < BigInt(events.length) ? BigInt(revision) - first : BigInt(events.length) - (forwards ? 0n : 1n),
        )
      }
      const position = BigInt(options.getAll()?.getPosition()?.getCommitPosition() ?? 0)
      return forwards ? indexAfter(events, position - 1n) : indexAfter(events, position - 1n) - 1
    }

    const read = async (): Promise<void> => {
      const events = source()
      if (events === undefined) {
        await send(new ReadResp().setStreamNotFound(new ReadResp.StreamNotFound().setStreamIdentifier(identifierOf(name))))
        return void call.end()
      }
      const forwards = options.getReadDirection() === streamsPb.ReadReq.Options.ReadDirection.FORWARDS
      const step = forwards ? 1 : -1
      const most = BigInt(options.getCount())
      let told = 0n
      for (let index = Math.max(startOf(events, forwards), forwards ? 0 : -1); told < most && !gone.signal.aborted; index += step) {
        const event = events[index]
        if (event === undefined) break
        if (!matches(event)) continue
        await send(readEvent(event, uuid))
        told += 1n
      }
      call.end()
    }

    const subscribe = async (): Promise<void> => {
      const closed = opened((fault) => {
        if (fault !== undefined) return fail(fault)
        gone.abort()
        call.end()
      })
      gone.signal.addEventListener('abort', closed)
      await send(new ReadResp().setConfirmation(new ReadResp.SubscriptionConfirmation().setSubscriptionId(crypto.randomUUID())))
      const place = options.getStream() ?? options.getAll()
      const multiplier = options.getFilter()?.getCheckpointintervalmultiplier() ?? 0
      const revision = options.getStream()?.hasRevision() ? BigInt(options.getStream()?.getRevision() ?? 0) : -1n
      const position = BigInt(options.getAll()?.getPosition()?.getCommitPosition() ?? -1)
      let last = place?.hasEnd()
        ? (source()?.at(-1)?.[options.hasStream() ? 'revision' : 'position'] ?? -1n)
        : options.hasStream()
          ? revision
          : position
      let caughtUp = false
      let passed = 0

      let owed: bigint | undefined
      const tell = async (at: bigint): Promise<void> => {
        const told = new ReadResp.Checkpoint().setCommitPosition(at.toString()).setPreparePosition(at.toString())
        await send(new ReadResp().setCheckpoint(told))
      }

      const checkpoint = async (at: bigint): Promise<void> => {
        passed = 0
        if (multiplier === 0 || faults.withoutCheckpoints) return
        if (faults.slowCheckpoints) owed = at
        else await tell(at)
      }

      while (!gone.signal.aborted) {
        const mark = log.changes.mark()
        const events = source() ?? []
        const first = options.hasStream() ? Number(last + 1n - (events[0]?.revision ?? 0n)) : indexAfter(events, last)
        for (let index = Math.max(first, 0); index < events.length && !faults.silent && !gone.signal.aborted; index += 1) {
          const event = events[index] as RecordedEvent
          last = options.hasStream() ? event.revision : event.position
          passed += 1
          if (matches(event)) {
            await send(readEvent(event, uuid))
            if (owed !== undefined) await tell(owed)
            owed = undefined
          }
          if (passed >= checkpointWindow * multiplier) await checkpoint(event.position)
        }
        if (!faults.silent && !caughtUp) {
          caughtUp = true
          await send(new ReadResp().setCaughtUp(new ReadResp.CaughtUp()))
        }
        await log.changes.after(mark, Number.POSITIVE_INFINITY, gone.signal)
      }
    }

    const refused = refusal(call, options.hasStream() ? name : '$all')
    if (refused !== undefined) return fail(refused)
    const answered = options.hasSubscription() ? subscribe() : read()
    answered.catch((error: unknown) =>
      fail(error instanceof StreamTombstoned ? { kind: 'stream deleted', stream: name } : { kind: 'unknown' }),
    )
  }
