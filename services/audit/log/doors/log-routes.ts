/**
 * The log over HTTP (C2SP tlog-tiles v0.1.0), for callers that may verify it. Tiles and bundles are named by the log's own origin: a log that
 * began anew has other bytes, which caches must not take for those of the one before.
 */
import { once } from 'node:events'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { CallContext } from '../../../kernel/caller.ts'
import type { ClinicGate } from '../../../kernel/clinic-gate.ts'
import type { Clock } from '../../../kernel/clock.ts'
import { ChartwardenError, invalidField } from '../../../kernel/errors.ts'
import { requireClinic } from '../../../kernel/grpc/require-clinic.ts'
import type { RequireToken } from '../../../kernel/http/authentication.ts'
import { systemTimers, type Timers } from '../../../kernel/timers.ts'
import { parseTraceparent } from '../../../kernel/traceparent.ts'
import type { ClinicEntries } from '../../clinic-entries.ts'
import { formatBundle } from '../entry-bundle.ts'
import { notPublished, type PublishedLog, type PublishedTree, treeOf } from '../serve/published-log.ts'
import { bundlePath, hashesAt, parseTilePath, type TilePath, tileWidth } from '../tile.ts'
import { hashLength } from '../tree-hash.ts'
import type { RecordReading } from './bundle-readings.ts'
import { sendResource } from './send-resource.ts'

export interface LogRoutesOptions {
  readonly log: PublishedLog
  readonly entries: ClinicEntries
  /** Before entry bundles leave. */
  readonly recordReading: RecordReading
  /** Told when a checkpoint is given out. */
  readonly handOut: () => void
  /** Shares the bundles under way between clinics: each holds up to 16 MiB until its reader has taken it. */
  readonly gate: ClinicGate
  readonly clock: Clock
  /** Time for a request, in milliseconds. */
  readonly defaultDeadlineMs: number
  /** Time for a reader to take a bundle; then the connection is cut. Milliseconds, defaults to 60,000. */
  readonly sendMs?: number
  readonly timers?: Timers
}

/** Seconds that a checkpoint may be kept: it is as old as that at most. */
const checkpointSeconds = 2

interface LogParams {
  readonly clinic: string
  readonly generation?: string
  readonly '*'?: string
}

const paramsOf = (request: FastifyRequest): LogParams => request.params as LogParams

/** What the path names, from its bytes: an escaped letter would be a second name of the same tile. */
const tilePathOf = ({ url }: FastifyRequest): TilePath => {
  const [path = ''] = url.split('?', 1)
  const parsed = parseTilePath(path.slice(path.indexOf('/tile/') + 1))
  if (parsed === undefined) {
    throw invalidField('path', 'is not tile/<level>/<index> or tile/entries/<index>, with .p/<width> behind it for 1 to 255')
  }
  return parsed
}

/** Throws TILE_UNKNOWN for what ends behind the published tree. */
const requirePublished = ({ size }: PublishedTree, tile: TilePath): void => {
  const level = tile.kind === 'entries' ? 0 : tile.level
  if (tile.index * BigInt(tileWidth) + BigInt(tile.width) > hashesAt(size, level)) throw new ChartwardenError('TILE_UNKNOWN')
}

/** Adds the routes. */
export const createLogRoutes = (options: LogRoutesOptions) => {
  const { log, entries, recordReading, handOut, gate, clock, defaultDeadlineMs, sendMs = 60_000, timers = systemTimers } = options

  const contextOf = (request: FastifyRequest, reply: FastifyReply): CallContext => {
    const gone = new AbortController()
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) gone.abort()
    })
    const traceparent = parseTraceparent(request.headers['traceparent'])
    return {
      caller: request.user,
      correlationId: request.id,
      deadline: clock.monotonic() + defaultDeadlineMs,
      signal: gone.signal,
      ...(traceparent === undefined ? {} : { traceparent }),
    }
  }

  /** The published head of the log that the path names. */
  const publishedOf = async (request: FastifyRequest, context: CallContext, anyGeneration: boolean) => {
    const { clinic, generation } = paramsOf(request)
    requireClinic(context, clinic)
    const { log: state, checkpoint } = await log.newest(clinic)
    const own = state.generation === 1 ? undefined : String(state.generation)
    if (generation !== own && !(anyGeneration && generation === undefined)) {
      throw new ChartwardenError('ROUTE_UNKNOWN', {
        message: 'This is not the log that the newest checkpoint names; fetch that and follow its first line.',
      })
    }
    if (checkpoint === undefined) throw notPublished(state)
    return { tree: treeOf(state, checkpoint), checkpoint }
  }

  const sendCheckpoint: RouteHandlerMethod = async (request, reply) => {
    const { checkpoint } = await publishedOf(request, contextOf(request, reply), true)
    handOut()
    const body = Buffer.from(checkpoint.note, 'utf8')
    return sendResource(request, reply, { body, type: 'text/plain; charset=utf-8', keep: checkpointSeconds, compressible: false })
  }

  const bundle = async (tree: PublishedTree, index: bigint, width: number, context: CallContext): Promise<Buffer> => {
    const from = index * BigInt(tileWidth)
    const bytes: Uint8Array[] = []
    const missing = () => log.damaged(tree.clinic, `${bundlePath(index, width)} has entries that are not there`)
    try {
      for await (const entry of entries.read(tree.clinic, from, from + BigInt(width) - 1n, context)) bytes.push(entry.bytes)
    } catch (thrown) {
      // A gap, which is no fault of the program here: whoever verifies has to hear what it is.
      if (thrown instanceof ChartwardenError && thrown.reason === 'INTERNAL') throw missing()
      throw thrown
    }
    if (bytes.length !== width) throw missing()
    return formatBundle(bytes)
  }

  /** Resolves when the answer has left or its reader has gone. */
  const sent = async ({ raw }: FastifyReply): Promise<void> => {
    if (raw.closed) return
    const stopTimer = timers.after(sendMs, () => raw.destroy())
    await once(raw, 'close').catch(() => undefined)
    stopTimer()
  }

  const sendTile: RouteHandlerMethod = async (request, reply) => {
    const context = contextOf(request, reply)
    requireClinic(context, paramsOf(request).clinic)
    const tile = tilePathOf(request)
    const { tree } = await publishedOf(request, context, false)
    requirePublished(tree, tile)
    const immutable = { type: 'application/octet-stream', keep: 'immutable' } as const
    if (tile.kind === 'hashes') {
      const [found] = await log.tiles(tree, [tile])
      const body = Buffer.from(found?.hashes.subarray(0, tile.width * hashLength) ?? [])
      return sendResource(request, reply, { ...immutable, body, compressible: false })
    }
    await recordReading(context, tree.clinic)
    await gate.run(tree.clinic, 'light', context, async () => {
      const body = await bundle(tree, tile.index, tile.width, context)
      await sendResource(request, reply, { ...immutable, body, compressible: true })
      await sent(reply)
    })
    return reply
  }

  return (server: FastifyInstance, requireToken: RequireToken): void => {
    const guarded = { onRequest: requireToken('ledger.verify') }
    for (const prefix of ['/v1/clinics/:clinic/log', '/v1/clinics/:clinic/log/:generation']) {
      server.get(`${prefix}/checkpoint`, guarded, sendCheckpoint)
      server.get(`${prefix}/tile/*`, guarded, sendTile)
    }
  }
}
