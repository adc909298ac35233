/** The steps every call passes before its handler: correlation, trace, deadline, token, scope, message, clinic. */
import { fromBinary } from '@bufbuild/protobuf'
import { Metadata, type ServerUnaryCall } from '@grpc/grpc-js'
import type { CallContext, Caller } from '../caller.ts'
import type { Clock } from '../clock.ts'
import { ChartwardenError, toChartwardenError } from '../errors.ts'
import type { Randomness } from '../ids.ts'
import type { Logger } from '../logging.ts'
import type { ReportRefusal } from '../refusals.ts'
import type { Timers } from '../timers.ts'
import { bearerToken } from '../tokens/bearer.ts'
import type { TokenVerifier } from '../tokens/verifier.ts'
import { parseTraceparent } from '../traceparent.ts'
import type { MethodPlan } from './method-plan.ts'
import { requireClinic } from './require-clinic.ts'
import { encodeStatus } from './status.ts'

/** What calls of every kind have. */
export type SurfaceCall = Pick<ServerUnaryCall<Buffer, Buffer>, 'metadata' | 'sendMetadata' | 'getDeadline' | 'getPeer'>

/** What all calls of a server share. */
export interface ServerParts {
  readonly verifier: TokenVerifier
  readonly clock: Clock
  readonly timers: Timers
  readonly randomness: Randomness
  readonly logger: Logger
  readonly report: ReportRefusal
  /** Of a unary call that names none, in milliseconds. */
  readonly defaultDeadlineMs: number
  /** Aborts when the server begins to stop. */
  readonly draining: AbortSignal
}

/** One call under way. */
export interface OpenCall {
  readonly plan: MethodPlan
  readonly correlationId: string
  /** Reading of the monotonic clock, in milliseconds. */
  readonly deadline: number
  /** Whether the caller named it: then grpc-js ends the call itself. */
  readonly deadlineNamed: boolean
  /** Undefined until the token is verified. */
  caller: Caller | undefined
  /** Undefined until the request is read. */
  clinic: string | undefined
  readonly signal: () => AbortSignal
  /** Aborts the signal of the handler; nothing it does is sent any more. */
  readonly abort: () => void
}

const correlationHeader = 'x-correlation-id'

/** `address:port` of grpc-js without the port. */
const addressOf = (call: SurfaceCall): string => call.getPeer().replace(/:\d+$/, '')

/**
 * grpc-js reckons the deadline with Date.now() when the headers arrive, so what remains is reckoned with it too; from there on only the
 * monotonic clock counts.
 */
const deadlineOf = (call: SurfaceCall, clock: Clock): number => {
  const deadline = Number(call.getDeadline())
  return deadline === Number.POSITIVE_INFINITY ? deadline : clock.monotonic() + (deadline - Date.now())
}

/** Tells the caller the name of its call. Unary calls do so with the answer, so that both leave in one write. */
export const sendHeaders = ({ correlationId }: OpenCall, call: SurfaceCall): void => {
  const headers = new Metadata()
  headers.set(correlationHeader, correlationId)
  call.sendMetadata(headers)
}

/** Begins a call and names it. Infinity as `defaultDeadlineMs`: no deadline unless the caller names one. */
export const beginCall = (parts: ServerParts, plan: MethodPlan, call: SurfaceCall, defaultDeadlineMs: number): OpenCall => {
  const correlationId = parts.randomness.uuid()
  const named = deadlineOf(call, parts.clock)
  const deadlineNamed = named !== Number.POSITIVE_INFINITY
  let controller: AbortController | undefined
  let aborted = false
  return {
    plan,
    correlationId,
    deadline: deadlineNamed ? named : parts.clock.monotonic() + defaultDeadlineMs,
    deadlineNamed,
    caller: undefined,
    clinic: undefined,
    // Made on demand: few handlers of unary calls ask for it, and it costs as much as the rest of these steps.
    signal: () => {
      if (controller === undefined) {
        controller = new AbortController()
        if (aborted) controller.abort()
      }
      return controller.signal
    },
    abort: () => {
      aborted = true
      controller?.abort()
    },
  }
}

/** Verifies the token and its scope, and gives the context the handler gets. */
export const authorise = async (parts: ServerParts, open: OpenCall, call: SurfaceCall): Promise<CallContext> => {
  const { clock, verifier, draining, report } = parts
  if (open.deadline <= clock.monotonic()) throw new ChartwardenError('DEADLINE_EXCEEDED')
  const token = bearerToken(call.metadata.get('authorization')[0])
  const caller = verifier.cached(token) ?? (await verifier.verify(token))
  open.caller = caller
  if (draining.aborted) throw new ChartwardenError('SHUTTING_DOWN')
  if (!caller.scopes.has(open.plan.scope)) throw new ChartwardenError('SCOPE_MISSING', { metadata: { scope: open.plan.scope } })
  const context: { -readonly [Name in keyof CallContext]: CallContext[Name] } = {
    caller,
    correlationId: open.correlationId,
    deadline: open.deadline,
    // An own property, not one of a class: doors copy contexts by spreading them.
    get signal() {
      return open.signal()
    },
    draining,
    refused: (error, clinic) => report(error, { caller, clinic: clinic ?? open.clinic, address: addressOf(call) }),
  }
  const traceparent = parseTraceparent(call.metadata.get('traceparent')[0])
  if (traceparent !== undefined) context.traceparent = traceparent
  return context
}

/** Decodes a request. Throws INVALID_ARGUMENT for bytes that are not the message. */
export const decodeRequest = ({ method }: MethodPlan, bytes: Buffer): unknown => {
  try {
    return fromBinary(method.input, bytes)
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: `The request is not a ${method.input.typeName}.`, cause })
  }
}

const clinicOf = (request: unknown): string => {
  const clinic = (request as { readonly clinic?: unknown }).clinic
  return typeof clinic === 'string' ? clinic : ''
}

/** Decodes the one request of a call and checks the clinic it names. */
export const readRequest = (open: OpenCall, context: CallContext, bytes: Buffer): unknown => {
  const request = decodeRequest(open.plan, bytes)
  if (open.plan.namesClinic) {
    open.clinic = clinicOf(request)
    requireClinic(context, open.clinic)
  }
  return request
}

/** The clinic named in a request whose call is refused before it was read, for the record of refusals alone. */
const clinicIfAny = ({ plan, clinic }: OpenCall, bytes: Buffer | undefined): string | undefined => {
  if (clinic !== undefined || bytes === undefined || !plan.namesClinic) return clinic
  try {
    return clinicOf(decodeRequest(plan, bytes)) || undefined
  } catch {
    return undefined
  }
}

/** The one error funnel: whatever was thrown becomes the status of the call; faults are logged, refusals are reported. */
export const failCall = (parts: ServerParts, open: OpenCall, call: SurfaceCall, thrown: unknown, bytes?: Buffer) => {
  const error = toChartwardenError(thrown)
  const { plan, correlationId, caller } = open
  if (error.reason === 'INTERNAL') {
    parts.logger.error({ event: 'call.failed', method: plan.name, correlationId, err: error }, 'a call failed')
  } else {
    parts.logger.debug({ event: 'call.refused', method: plan.name, correlationId, reason: error.reason }, 'a call was refused')
  }
  // The request of a caller that showed no valid token is not read, not even for the record.
  const clinic = clinicIfAny(open, caller === undefined ? undefined : bytes)
  parts.report(error, { caller, clinic, address: addressOf(call) })
  const shown = error.reason === 'INTERNAL' ? new ChartwardenError('INTERNAL') : error
  return encodeStatus(shown, correlationId)
}

/** What a handler throws when its call is over already has nobody to go to; a fault must still be seen. */
export const noteLateFault = (parts: ServerParts, { plan, correlationId }: OpenCall, thrown: unknown): void => {
  const err = toChartwardenError(thrown)
  if (err.reason === 'INTERNAL')
    parts.logger.warn({ event: 'call.failed_late', method: plan.name, correlationId, err }, 'a call failed after its end')
}
