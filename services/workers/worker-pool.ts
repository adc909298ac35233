/**
 * The processes that answer calls. One that ends by itself is replaced, sooner or later according to how long the one before it lived; the others
 * answer meanwhile. What an ended one had accepted is stored or not, as after any crash: the ledger says which, by the id of the request.
 */
import type { Clock } from '../kernel/clock.ts'
import type { Logger } from '../kernel/logging.ts'
import { StartError } from '../kernel/start-error.ts'
import { systemTimers, type Timers } from '../kernel/timers.ts'
import type { ProcessMetrics } from './merge-metrics.ts'
import type { FromWorker, Ports, WorkerOrder } from './messages.ts'
import type { Fork, WorkerExit, WorkerProcess } from './worker-process.ts'

export interface WorkerPoolOptions {
  readonly fork: Fork
  /** At least 1. */
  readonly workers: number
  readonly databaseUrls: WorkerOrder['databaseUrls']
  /** How long a stop waits for the workers before it ends them, in milliseconds. */
  readonly stopTimeoutMs: number
  readonly clock: Pick<Clock, 'monotonic'>
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Told of each that ended by itself, for metrics. */
  readonly onExit?: (() => void) | undefined
  readonly timers?: Timers
}

export type WorkerState = 'serving' | 'starting'

export interface WorkerPool {
  /**
   * Starts all of them. Resolves when all listen; rejects with StartError, the line of the one that could not. Those that run then are left to
   * `stop`.
   */
  start(): Promise<Ports>
  /** How many there are of each; one that waits to be replaced is starting. */
  states(): Readonly<Record<WorkerState, number>>
  /** Settles once all of them have answered calls at the same time. */
  readonly serving: Promise<void>
  /** Has the certificate files read again. */
  reloadTls(): void
  /** What each has counted; one that does not answer in time is left out. */
  metrics(): Promise<readonly ProcessMetrics[]>
  /** Has them finish what they accepted, and resolves when all have ended. Safe to call twice. */
  stop(): Promise<void>
}

interface Place {
  readonly worker: string
  process: WorkerProcess | undefined
  state: WorkerState
  /** Reading of the monotonic clock; undefined until the process there listens. */
  listeningSince: number | undefined
  /** Exits that came soon after a start, one after the other. */
  quickExits: number
  /** Pings without an answer, one after the other. */
  unanswered: number
  refusal: { readonly message: string; readonly mayPass: boolean } | undefined
  readonly asked: Map<number, (text: string | undefined) => void>
  readonly exited: PromiseWithResolvers<void>
  cancelReplacing: (() => void) | undefined
}

/** One that lived longer than this is replaced at once. */
const settledMs = 10_000
const firstReplacingMs = 100
const longestReplacingMs = 30_000
const metricsTimeoutMs = 1_500
const pingMs = 10_000
/** Counted and not timed: a machine that slept has sent none meanwhile. */
const unansweredAllowed = 5

const newPlace = (index: number): Place => ({
  worker: String(index + 1),
  process: undefined,
  state: 'starting',
  listeningSince: undefined,
  quickExits: 0,
  unanswered: 0,
  refusal: undefined,
  asked: new Map(),
  exited: Promise.withResolvers(),
  cancelReplacing: undefined,
})

export const createWorkerPool = (options: WorkerPoolOptions): WorkerPool => {
  const { fork, workers, databaseUrls, stopTimeoutMs, clock, logger, onExit, timers = systemTimers } = options
  const places = Array.from({ length: workers }, (_, index) => newPlace(index))
  const listening = Promise.withResolvers<Ports>()
  const allServing = Promise.withResolvers<void>()
  let started = false
  let stopping = false
  let requests = 0
  let cancelPing = (): void => undefined

  const hear = (place: Place, message: FromWorker): void => {
    const { worker, process } = place
    switch (message.kind) {
      case 'hello':
        process?.send(stopping ? { kind: 'stop' } : { kind: 'start', order: { worker, workers, databaseUrls } })
        break
      case 'listening':
        place.listeningSince = clock.monotonic()
        if (places.every(({ listeningSince }) => listeningSince !== undefined)) {
          started = true
          listening.resolve(message.ports)
        }
        break
      case 'serving':
        place.state = 'serving'
        logger.info({ event: 'worker.ready', worker, pid: process?.pid }, 'a worker answers calls')
        if (places.every(({ state }) => state === 'serving')) allServing.resolve()
        break
      case 'refused':
        place.refusal = { message: message.message, mayPass: message.mayPass }
        break
      case 'pong':
        place.unanswered = 0
        break
      case 'metrics':
        place.asked.get(message.request)?.(message.text)
        break
      default:
        message satisfies never
    }
  }

  const waitMs = ({ quickExits }: Place): number =>
    quickExits === 0 ? 0 : Math.min(firstReplacingMs * 2 ** (quickExits - 1), longestReplacingMs)

  const replace = (place: Place, exit: WorkerExit, pid: number | undefined): void => {
    const { worker, refusal, listeningSince } = place
    const lived = listeningSince === undefined ? 0 : clock.monotonic() - listeningSince
    place.quickExits = lived < settledMs ? place.quickExits + 1 : 0
    const replacedInMs = waitMs(place)
    logger.error(
      { event: 'worker.exited', worker, pid, ...exit, ...(refusal === undefined ? {} : { refusal: refusal.message }), replacedInMs },
      'a worker ended by itself; another one takes its place',
    )
    onExit?.()
    place.cancelReplacing = timers.after(replacedInMs, () => launch(place))
  }

  const ended = (place: Place, exit: WorkerExit): void => {
    const { worker, process, refusal } = place
    const pid = process?.pid
    place.process = undefined
    place.state = 'starting'
    for (const answer of place.asked.values()) answer(undefined)
    if (stopping) place.exited.resolve()
    else if (started) {
      replace(place, exit, pid)
      place.listeningSince = undefined
    } else {
      const how = exit.signal ?? `exit code ${exit.code}`
      listening.reject(
        refusal === undefined
          ? new StartError(`Worker ${worker} ended with ${how} before it could listen; see the log before this line.`, { mayPass: true })
          : new StartError(refusal.message, { mayPass: refusal.mayPass }),
      )
    }
  }

  /** One whose loop turns no more would keep its callers waiting for ever, and nobody else would notice. */
  const pingAll = (): void => {
    cancelPing = timers.after(pingMs, pingAll)
    for (const place of places) {
      const { worker, process, listeningSince } = place
      if (process === undefined || listeningSince === undefined) continue
      if (place.unanswered > unansweredAllowed) {
        logger.error({ event: 'worker.silent', worker, pid: process.pid }, 'a worker does not react any more; it is ended and replaced')
        process.kill()
      } else {
        place.unanswered += 1
        process.send({ kind: 'ping' })
      }
    }
  }

  const launch = (place: Place): void => {
    place.refusal = undefined
    place.unanswered = 0
    const process = fork()
    place.process = process
    process.onMessage((message) => {
      if (place.process === process) hear(place, message)
    })
    process.onExit((exit) => {
      if (place.process === process) ended(place, exit)
    })
  }

  const askMetrics = ({ worker, process, asked }: Place): Promise<readonly ProcessMetrics[]> =>
    new Promise((resolve) => {
      if (process === undefined) return resolve([])
      requests += 1
      const request = requests
      const answer = (text: string | undefined): void => {
        stopTimer()
        asked.delete(request)
        resolve(text === undefined ? [] : [{ worker, text }])
      }
      const stopTimer = timers.after(metricsTimeoutMs, () => answer(undefined))
      asked.set(request, answer)
      process.send({ kind: 'tell_metrics', request })
    })

  const stop = async (): Promise<void> => {
    stopping = true
    cancelPing()
    for (const place of places) {
      place.cancelReplacing?.()
      if (place.process === undefined) place.exited.resolve()
      else place.process.send({ kind: 'stop' })
    }
    const stopTimer = timers.after(stopTimeoutMs, () => {
      for (const { worker, process } of places) {
        if (process === undefined) continue
        logger.warn({ event: 'worker.killed', worker, pid: process.pid }, 'a worker did not end in time')
        process.kill()
      }
    })
    await Promise.all(places.map(({ exited }) => exited.promise))
    stopTimer()
  }
  let stopped: Promise<void> | undefined

  return {
    start: () => {
      for (const place of places) launch(place)
      pingAll()
      return listening.promise
    },
    states: () => {
      const serving = places.filter(({ state }) => state === 'serving').length
      return { serving, starting: workers - serving }
    },
    serving: allServing.promise,
    reloadTls: () => {
      for (const { process } of places) process?.send({ kind: 'reload_tls' })
    },
    metrics: async () => (await Promise.all(places.map(askMetrics))).flat(),
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}
