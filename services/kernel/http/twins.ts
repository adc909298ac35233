/**
 * The HTTP twins of the contract: every method that takes one request is a route, with the handler that gRPC calls, behind the same steps.
 * Nothing here knows a method by its name.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { CallContext } from '../caller.ts'
import type { Admission } from '../calls/admission.ts'
import { admit, admitteeOf, authorise, beginCall, type CallParts, failCall, type OpenCall } from '../calls/open-call.ts'
import type { Clock } from '../clock.ts'
import { invalidField } from '../errors.ts'
import type { ServerStreamHandler, ServiceImplementation, UnaryHandler } from '../grpc/implement.ts'
import type { MethodScopes } from '../grpc/method-plan.ts'
import type { RunningCalls } from '../grpc/running-call.ts'
import type { Randomness } from '../ids.ts'
import type { Logger } from '../logging.ts'
import type { OnRefusal } from '../refusal.ts'
import { createRefusalReport } from '../refusals.ts'
import { StartError } from '../start-error.ts'
import { systemTimers, type Timers } from '../timers.ts'
import type { TokenVerifier } from '../tokens/verifier.ts'
import { createCallSlots } from './call-slots.ts'
import { parseTimeout, timeoutHeader } from './grpc-timeout.ts'
import { toHttpError } from './http-error.ts'
import { readJsonMessage } from './json-message.ts'
import { sendAnswer, sendLines } from './run-twin.ts'
import { sendProblem } from './send-problem.ts'
import { type Twin, twinsOf } from './twin.ts'
import { TwinCall } from './twin-call.ts'

export interface HttpTwinsOptions {
  readonly services: readonly ServiceImplementation[]
  /** Scope of every method, by `package.Service/Method`. */
  readonly methodRules: MethodScopes
  readonly verifier: TokenVerifier
  /** Told of every call refused for its token, clinic or scope. Must not throw or take long. */
  readonly onRefusal: OnRefusal
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
  /** Deadline of a unary call that names none, in milliseconds. Streams have none unless the caller names one. */
  readonly defaultDeadlineMs: number
  /** Calls at a time, streams among them; one caller may have a quarter of them, and half of its quarter as streams. */
  readonly maxCalls: number
  /** Shared with the gRPC door; undefined: whatever comes is begun. */
  readonly admission?: Admission | undefined
  readonly timers?: Timers
}

export interface HttpTwins {
  /** Adds the routes to a server. */
  readonly routes: (server: FastifyInstance) => Promise<void>
  /**
   * Stops: new calls refused, calls under way finished; streams are told by their context. What still runs after the timeout is ended with
   * SHUTTING_DOWN. Resolves when no call is left, or when the last answers have had their time to leave.
   */
  drain(timeoutMs: number): Promise<void>
}

/** Room for the last lines to reach their callers once the time to drain is over, in milliseconds. */
const lastLinesMs = 200

const emptyMessage = Buffer.from('{}')

interface Begun {
  readonly call: TwinCall
  /** Undefined until the token is verified. */
  context?: CallContext
}

/** The clinic of the path; empty where the path has none. */
const clinicOfPath = (request: FastifyRequest): string => (request.params as { readonly clinic?: string }).clinic ?? ''

/** The message of the body, with the clinic of the path, which the body may repeat. A request without a body is the empty message. */
const readRequest = ({ plan }: Twin, request: FastifyRequest): object => {
  const body = request.body as Buffer | undefined
  const message = readJsonMessage(plan.method.input, body === undefined || body.length === 0 ? emptyMessage : body)
  if (plan.namesClinic) {
    const named = message as unknown as { clinic: string }
    const clinic = clinicOfPath(request)
    if (named.clinic !== '' && named.clinic !== clinic) throw invalidField('clinic', 'the path names another; leave it out')
    named.clinic = clinic
  }
  return message
}

/** What the handler gives; admission is told when it has settled, whatever became of the call meanwhile. */
const untilLeft = async <Answer>({ leave }: OpenCall, given: Promise<Answer>): Promise<Answer> => {
  try {
    return await given
  } finally {
    leave()
  }
}

/** The routes of all services, not yet on a server. */
export const createHttpTwins = (options: HttpTwinsOptions): HttpTwins => {
  const { clock, timers = systemTimers } = options
  const draining = new AbortController()
  const calls: RunningCalls = new Set()
  let noneLeft = (): void => undefined
  const takeSlot = createCallSlots(options.maxCalls)
  const begun = new WeakMap<FastifyRequest, Begun>()
  const parts: CallParts = { ...options, timers, report: createRefusalReport(options.onRefusal), draining: draining.signal }

  const open = (twin: Twin, request: FastifyRequest, timeoutMs: number): OpenCall =>
    beginCall(
      parts,
      twin.plan,
      { header: (name) => request.headers[name], address: () => request.ip },
      {
        correlationId: request.id,
        named: clock.monotonic() + timeoutMs,
        defaultDeadlineMs: twin.streams ? Number.POSITIVE_INFINITY : options.defaultDeadlineMs,
      },
    )

  /** Before the body is read: whoever shows no good token is not listened to. */
  const begin = async (twin: Twin, request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const opened = open(twin, request, parseTimeout(request.headers[timeoutHeader]))
    const slot = takeSlot()
    const onOver = (): void => {
      slot.release()
      if (calls.size === 0) noneLeft()
    }
    const call = new TwinCall({ parts, open: opened, calls, onOver })
    reply.raw.once('finish', () => call.closed(true)).once('close', () => call.closed(reply.raw.writableFinished))
    const entry: Begun = { call }
    begun.set(request, entry)
    entry.context = await call.wait(authorise(parts, opened))
    slot.own(`${entry.context.caller.issuer} ${entry.context.caller.id}`, twin.streams)
  }

  const run = (twin: Twin, handler: unknown) => (request: FastifyRequest, reply: FastifyReply) => {
    const { call, context } = begun.get(request) as Required<Begun>
    const message = readRequest(twin, request)
    admit(parts, call.open, context, admitteeOf(twin.plan, message))
    if (!twin.streams) return sendAnswer(call, reply, untilLeft(call.open, (handler as UnaryHandler)(message, context)))
    call.watchExpiry(context)
    return sendLines(parts, call, reply, (handler as ServerStreamHandler)(message, context))
  }

  const fail = (twin: Twin) => (thrown: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const failed = begun.get(request)?.call.open ?? open(twin, request, Number.POSITIVE_INFINITY)
    sendProblem(
      reply,
      failCall(parts, failed, toHttpError(thrown), () => clinicOfPath(request) || undefined),
      request.id,
    )
  }

  const addRoutes = (scope: FastifyInstance): void => {
    // Decoded by the message's own rules, after the token was verified.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    for (const { service, handlers } of options.services) {
      for (const twin of twinsOf(service, options.methodRules)) {
        const { method, name } = twin.plan
        const handler = handlers[method.localName]
        if (typeof handler !== 'function') throw new StartError(`The method ${name} has no handler.`)
        scope.route({
          method: 'POST',
          url: twin.path.replace('{clinic}', ':clinic'),
          onRequest: (request, reply) => begin(twin, request, reply),
          errorHandler: fail(twin),
          handler: run(twin, handler),
        })
      }
    }
  }

  return {
    routes: async (server) => {
      await server.register(async (scope) => addRoutes(scope))
    },
    drain: (timeoutMs) =>
      new Promise((resolve) => {
        draining.abort()
        noneLeft = resolve
        if (calls.size === 0) return resolve()
        timers.after(timeoutMs, () => {
          for (const call of calls) call.end()
          timers.after(lastLinesMs, resolve)
        })
      }),
  }
}
