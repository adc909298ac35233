/** The steps every call passes before its handler, whichever door it came through: deadline, token, scope, trace, clinic. */
import type { DescMessage } from '@bufbuild/protobuf'
import type { CallContext, Caller } from '../caller.ts'
import type { Clock } from '../clock.ts'
import { ChartwardenError, toChartwardenError } from '../errors.ts'
import type { MethodPlan } from '../grpc/method-plan.ts'
import { requireClinic } from '../grpc/require-clinic.ts'
import type { Randomness } from '../ids.ts'
import type { Logger } from '../logging.ts'
import type { ReportRefusal } from '../refusals.ts'
import type { Timers } from '../timers.ts'
import { bearerToken } from '../tokens/bearer.ts'
import type { TokenVerifier } from '../tokens/verifier.ts'
import { parseTraceparent } from '../traceparent.ts'
import type { Admission } from './admission.ts'
import type { Turns } from './turns.ts'

/** What a door knows of a call. */
export interface CallSurface {
  /** A request header by its name in lower case; undefined where there is none. */
  header(name: string): unknown
  /** Address of the peer, without its port. */
  address(): string
}

/** What all calls of a door share. */
export interface CallParts {
  readonly verifier: TokenVerifier
  readonly clock: Clock
  readonly timers: Timers
  readonly randomness: Randomness
  readonly logger: Logger
  readonly report: ReportRefusal
  /** Of a unary call that names none, in milliseconds. */
  readonly defaultDeadlineMs: number
  /** Aborts when the door begins to stop. */
  readonly draining: AbortSignal
  /** Undefined: whatever comes is begun. */
  readonly admission?: Admission | undefined
  /** In which batches that were let in begin. Undefined: all at once. */
  readonly turns?: Turns | undefined
}

/** One call under way. */
export interface OpenCall {
  readonly plan: MethodPlan
  readonly surface: CallSurface
  readonly correlationId: string
  /** Reading of the monotonic clock, in milliseconds. */
  readonly deadline: number
  /** Whether the caller named it. */
  readonly deadlineNamed: boolean
  /** Undefined until the token is verified. */
  caller: Caller | undefined
  /** Undefined until the request is read. */
  clinic: string | undefined
  /** Tells admission that the work of the call is done; to be called when its handler has settled. */
  leave: () => void
  readonly signal: () => AbortSignal
  /** Aborts the signal of the handler; nothing it does is sent any more. */
  readonly abort: () => void
}

/** The header that tells callers the name of their call. */
export const correlationHeader = 'x-correlation-id'

export interface CallOpening {
  readonly correlationId: string
  /** The deadline that the caller named, as a reading of the monotonic clock; Infinity: none. */
  readonly named: number
  /** Infinity: no deadline unless the caller names one. */
  readonly defaultDeadlineMs: number
}

const nothing = (): void => undefined

/** Begins a call. */
export const beginCall = (parts: CallParts, plan: MethodPlan, surface: CallSurface, opening: CallOpening): OpenCall => {
  const deadlineNamed = opening.named !== Number.POSITIVE_INFINITY
  let controller: AbortController | undefined
  let aborted = false
  return {
    plan,
    surface,
    correlationId: opening.correlationId,
    deadline: deadlineNamed ? opening.named : parts.clock.monotonic() + opening.defaultDeadlineMs,
    deadlineNamed,
    caller: undefined,
    clinic: undefined,
    leave: nothing,
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
export const authorise = async (parts: CallParts, open: OpenCall): Promise<CallContext> => {
  const { clock, verifier, draining, report } = parts
  const { surface, plan } = open
  if (open.deadline <= clock.monotonic()) throw new ChartwardenError('DEADLINE_EXCEEDED')
  const token = bearerToken(surface.header('authorization'))
  const caller = verifier.cached(token) ?? (await verifier.verify(token))
  open.caller = caller
  if (draining.aborted) throw new ChartwardenError('SHUTTING_DOWN')
  if (!caller.scopes.has(plan.scope)) throw new ChartwardenError('SCOPE_MISSING', { metadata: { scope: plan.scope } })
  const context: { -readonly [Name in keyof CallContext]: CallContext[Name] } = {
    caller,
    correlationId: open.correlationId,
    method: plan.name,
    deadline: open.deadline,
    // An own property, not one of a class: doors copy contexts by spreading them.
    get signal() {
      return open.signal()
    },
    draining,
    refused: (error, clinic) => report(error, { caller, clinic: clinic ?? open.clinic, address: surface.address() }),
  }
  const { admission } = parts
  if (admission !== undefined && plan.admitted && plan.method.methodKind === 'bidi_streaming') {
    context.enter = (clinic) => admission.enterInTurn({ caller, clinic })
  }
  const traceparent = parseTraceparent(surface.header('traceparent'))
  if (traceparent !== undefined) context.traceparent = traceparent
  return context
}

/** INVALID_ARGUMENT for what is not the request of a method. */
export const notTheRequest = (input: DescMessage, cause: unknown): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', { message: `The request is not a ${input.typeName}.`, cause })

/** The clinic that a request names; empty where it names none. */
export const clinicOf = (request: unknown): string => {
  const clinic = (request as { readonly clinic?: unknown }).clinic
  return typeof clinic === 'string' ? clinic : ''
}

/** The most items that any batch may have; a larger one is refused by its handler, which says so. */
const largestBatch = 512

/** What of a request decides whether its work is begun. */
export interface Admittee {
  readonly clinic: string
  /** In its batch; 0 where it is none. */
  readonly items: number
}

/** The same of a request that was decoded. */
export const admitteeOf = ({ items }: MethodPlan, request: unknown): Admittee => ({
  clinic: clinicOf(request),
  items: items === undefined ? 0 : ((request as Readonly<Record<string, readonly unknown[] | undefined>>)[items]?.length ?? 0),
})

/** Lets a request pass if the caller's token reaches its clinic and there is room for its work; throws otherwise. */
export const admit = ({ admission }: CallParts, open: OpenCall, context: CallContext, { clinic, items }: Admittee): void => {
  const { plan } = open
  if (!plan.namesClinic) return
  open.clinic = clinic
  requireClinic(context, clinic)
  if (plan.admitted && admission !== undefined) {
    open.leave = admission.enter({ caller: context.caller, clinic, units: Math.min(Math.max(1, items), largestBatch) })
  }
}

/**
 * The one error funnel: whatever was thrown becomes the error that is shown; faults are logged, refusals are reported. `named` finds the
 * clinic in a request that was not read yet, for the record of refusals alone; the request of a caller that showed no valid token is not
 * read, not even for that.
 */
export const failCall = (parts: CallParts, open: OpenCall, thrown: unknown, named?: () => string | undefined): ChartwardenError => {
  const error = toChartwardenError(thrown)
  const { plan, correlationId, caller } = open
  if (error.reason === 'INTERNAL') {
    parts.logger.error({ event: 'call.failed', method: plan.name, correlationId, err: error }, 'a call failed')
  } else {
    parts.logger.debug({ event: 'call.refused', method: plan.name, correlationId, reason: error.reason }, 'a call was refused')
  }
  const clinic = open.clinic ?? (caller !== undefined && plan.namesClinic ? named?.() : undefined)
  parts.report(error, { caller, clinic, address: open.surface.address() })
  return error.reason === 'INTERNAL' ? new ChartwardenError('INTERNAL') : error
}

/** What a handler throws when its call is over already has nobody to go to; a fault must still be seen. */
export const noteLateFault = (parts: CallParts, { plan, correlationId }: OpenCall, thrown: unknown): void => {
  const err = toChartwardenError(thrown)
  if (err.reason === 'INTERNAL')
    parts.logger.warn({ event: 'call.failed_late', method: plan.name, correlationId, err }, 'a call failed after its end')
}
