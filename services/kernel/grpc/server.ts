import { logVerbosity, Server, ServerCredentials, setLogVerbosity, type UntypedServiceImplementation } from '@grpc/grpc-js'
import type { Admission } from '../calls/admission.ts'
import type { CallParts } from '../calls/open-call.ts'
import { createTurns } from '../calls/turns.ts'
import type { Clock } from '../clock.ts'
import { formatHostPort, type HostPort } from '../host-port.ts'
import type { Randomness } from '../ids.ts'
import type { Logger } from '../logging.ts'
import type { OnRefusal } from '../refusal.ts'
import { createRefusalReport } from '../refusals.ts'
import { StartError } from '../start-error.ts'
import { systemTimers, type Timers } from '../timers.ts'
import type { TlsMaterial } from '../tls.ts'
import type { TokenVerifier } from '../tokens/verifier.ts'
import { addHealth } from './health.ts'
import type { BidiHandler, ServerStreamHandler, ServiceImplementation, UnaryHandler } from './implement.ts'
import { serviceDefinition } from './method-definitions.ts'
import { type MethodScopes, planMethod } from './method-plan.ts'
import { type CallObserver, observeStream, observeUnary } from './observe-call.ts'
import { addReflection } from './reflection.ts'
import { runBidiStream, runServerStream } from './run-stream.ts'
import { runUnary } from './run-unary.ts'
import type { RunningCalls } from './running-call.ts'
import { TlsCredentials } from './tls-credentials.ts'

export interface GrpcServerOptions {
  readonly address: HostPort
  /** Undefined: no TLS. */
  readonly tls?: TlsMaterial | undefined
  readonly verifier: TokenVerifier
  readonly services: readonly ServiceImplementation[]
  /** Scope of every method, by `package.Service/Method`. */
  readonly methodRules: MethodScopes
  /** Told of every call refused for its token, clinic or scope. Must not throw or take long. */
  readonly onRefusal: OnRefusal
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
  /** Largest request, in bytes. */
  readonly maxMessageBytes: number
  /** Deadline of a unary call that names none, in milliseconds. Streams have none unless the caller names one. */
  readonly defaultDeadlineMs: number
  readonly reflection: boolean
  /** Calls at a time on one connection. Defaults to 1,024. */
  readonly maxStreamsPerConnection?: number
  /** Shared with the HTTP door; undefined: whatever comes is begun. */
  readonly admission?: Admission | undefined
  /** For metrics and traces. */
  readonly observer?: CallObserver | undefined
  readonly timers?: Timers
}

export interface GrpcServer {
  /** Listens and returns the port. Throws StartError when the address cannot be had. */
  start(): Promise<number>
  /** Uses another certificate for new connections; nothing where there is no TLS. */
  renewTls(material: TlsMaterial): void
  /** What grpc.health.v1 answers; not serving at first. */
  setServing(serving: boolean): void
  /**
   * Stops: not serving, new calls refused, calls under way finished. What still runs after the timeout is ended with SHUTTING_DOWN.
   * Resolves when no call is left.
   */
  drain(timeoutMs: number): Promise<void>
  /** Stops at once; calls under way are cut. */
  close(): void
}

/** Items of batches begun in one turn of the event loop: some twenty milliseconds of deciding on the machine of bench/README.md. */
const unitsInTurn = 100

/** Room for the last statuses to reach their callers once the time to drain is over, in milliseconds. */
const lastStatusesMs = 200

const bind = (parts: CallParts, options: GrpcServerOptions, calls: RunningCalls, { service, handlers }: ServiceImplementation) => {
  const { observer } = options
  const implementation: UntypedServiceImplementation = {}
  for (const method of service.methods) {
    const handler = handlers[method.localName]
    if (typeof handler !== 'function') throw new StartError(`The method ${service.typeName}/${method.name} has no handler.`)
    const plan = planMethod(method, options.methodRules)
    if (method.methodKind === 'unary') {
      implementation[method.localName] = observeUnary(observer, plan.name, runUnary(parts, plan, handler as UnaryHandler, calls))
    } else if (method.methodKind === 'server_streaming') {
      implementation[method.localName] = observeStream(
        observer,
        plan.name,
        runServerStream(parts, plan, handler as ServerStreamHandler, calls),
      )
    } else if (method.methodKind === 'bidi_streaming') {
      implementation[method.localName] = observeStream(observer, plan.name, runBidiStream(parts, plan, handler as BidiHandler, calls))
    } else throw new StartError(`The method ${plan.name} streams requests to one answer, which is not offered.`)
  }
  return implementation
}

/** A grpc-js server for services of the contract, with health and, if asked for, reflection. Throws StartError for a method without a rule. */
export const createGrpcServer = (options: GrpcServerOptions): GrpcServer => {
  const { address, tls, services, logger, timers = systemTimers } = options
  // What it would write to the console reaches us as an error as well, and the console is not ours.
  setLogVerbosity(logVerbosity.NONE)
  const draining = new AbortController()
  const calls: RunningCalls = new Set()
  const parts: CallParts = {
    verifier: options.verifier,
    clock: options.clock,
    timers,
    randomness: options.randomness,
    logger,
    report: createRefusalReport(options.onRefusal),
    defaultDeadlineMs: options.defaultDeadlineMs,
    draining: draining.signal,
    admission: options.admission,
    turns: createTurns({ unitsInTurn }),
  }
  const server = new Server({
    'grpc.max_receive_message_length': options.maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': options.maxStreamsPerConnection ?? 1024,
    // A peer that vanished without a word is noticed within 80 seconds; grpc-js cannot limit how often peers ping.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
    // HTTP/2's own 64 KiB holds big streams back on far links (grpc-node issue 2669).
    'grpc-node.flow_control_window': 1_048_576,
  })
  for (const service of services) server.addService(serviceDefinition(service.service), bind(parts, options, calls, service))
  const names = services.map(({ service }) => service.typeName)
  const health = addHealth(server, names)
  if (options.reflection)
    addReflection(
      server,
      services.map(({ service }) => service),
      calls,
    )
  const secure = tls === undefined ? undefined : new TlsCredentials(tls)
  const credentials = secure ?? ServerCredentials.createInsecure()

  const stopWithin = (timeoutMs: number): Promise<void> =>
    new Promise((resolve) => {
      const endStreams = (): void => {
        logger.warn({ event: 'grpc.drain_timeout', calls: calls.size }, 'calls were still under way when the time to drain was over')
        for (const call of calls) call.end()
        stopTimer = timers.after(lastStatusesMs, () => server.forceShutdown())
      }
      let stopTimer = timers.after(timeoutMs, endStreams)
      server.tryShutdown(() => {
        stopTimer()
        resolve()
      })
    })

  return {
    start: () =>
      new Promise((resolve, reject) => {
        server.bindAsync(formatHostPort(address), credentials, (cause, port) => {
          if (cause === null) resolve(port)
          else reject(new StartError(`gRPC cannot listen on ${formatHostPort(address)}; is it in use?`, { cause, mayPass: true }))
        })
      }),
    setServing: health.setServing,
    renewTls: (material) => secure?.renew(material),
    drain: async (timeoutMs) => {
      health.setServing(false)
      draining.abort()
      health.endWatches()
      for (const call of calls) call.drain()
      await stopWithin(timeoutMs)
    },
    close: () => {
      draining.abort()
      for (const call of calls) call.end()
      server.forceShutdown()
    },
  }
}
