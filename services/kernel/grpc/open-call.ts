/** The steps of calls/open-call.ts for calls of grpc-js. */
import { fromBinary } from '@bufbuild/protobuf'
import { Metadata, type ServerUnaryCall } from '@grpc/grpc-js'
import type { CallContext } from '../caller.ts'
import {
  admit,
  admitteeOf,
  beginCall,
  type CallParts,
  type CallSurface,
  clinicOf,
  correlationHeader,
  failCall,
  notTheRequest,
  type OpenCall,
} from '../calls/open-call.ts'
import type { Clock } from '../clock.ts'
import type { MethodPlan } from './method-plan.ts'
import { outlineOf } from './outline.ts'
import { encodeStatus } from './status.ts'

/** What calls of every kind have. */
export type SurfaceCall = Pick<ServerUnaryCall<Buffer, Buffer>, 'metadata' | 'sendMetadata' | 'getDeadline' | 'getPeer'>

const surfaceOf = (call: SurfaceCall): CallSurface => ({
  header: (name) => call.metadata.get(name)[0],
  // grpc-js gives `address:port`.
  address: () => call.getPeer().replace(/:\d+$/, ''),
})

/**
 * grpc-js reckons the deadline with Date.now() when the headers arrive, so what remains is reckoned with it too; from there on only the
 * monotonic clock counts.
 */
const deadlineOf = (call: SurfaceCall, clock: Clock): number => {
  const deadline = Number(call.getDeadline())
  return deadline === Number.POSITIVE_INFINITY ? deadline : clock.monotonic() + (deadline - Date.now())
}

/** Begins a call and names it. Infinity as `defaultDeadlineMs`: no deadline unless the caller names one. */
export const beginGrpcCall = (parts: CallParts, plan: MethodPlan, call: SurfaceCall, defaultDeadlineMs: number): OpenCall =>
  beginCall(parts, plan, surfaceOf(call), {
    correlationId: parts.randomness.uuid(),
    named: deadlineOf(call, parts.clock),
    defaultDeadlineMs,
  })

/** Tells the caller the name of its call. Unary calls do so with the answer, so that both leave in one write. */
export const sendHeaders = ({ correlationId }: OpenCall, call: SurfaceCall): void => {
  const headers = new Metadata()
  headers.set(correlationHeader, correlationId)
  call.sendMetadata(headers)
}

/** Decodes a request. Throws INVALID_ARGUMENT for bytes that are not the message. */
export const decodeRequest = ({ method }: MethodPlan, bytes: Buffer): unknown => {
  try {
    return fromBinary(method.input, bytes)
  } catch (cause) {
    throw notTheRequest(method.input, cause)
  }
}

/**
 * Decodes the one request of a call, checks the clinic it names and lets its work in, before it decodes where that can be told. Bytes that say
 * one thing then and another when they are decoded, as a decoder that forgives may find, are no request.
 */
export const readRequest = async (parts: CallParts, open: OpenCall, context: CallContext, bytes: Buffer): Promise<unknown> => {
  const { plan } = open
  if (plan.outline === undefined) {
    const request = decodeRequest(plan, bytes)
    admit(parts, open, context, admitteeOf(plan, request))
    return request
  }
  const outline = outlineOf(bytes, plan.outline)
  if (outline === undefined) throw notTheRequest(plan.method.input, new Error('its fields cannot be told apart'))
  admit(parts, open, context, outline)
  if (outline.items > 1) await parts.turns?.enter(outline.items)
  const request = decodeRequest(plan, bytes)
  const { clinic, items } = admitteeOf(plan, request)
  if (clinic !== outline.clinic || items !== outline.items)
    throw notTheRequest(plan.method.input, new Error('it was let in as something else'))
  return request
}

const clinicIfAny = ({ plan }: OpenCall, bytes: Buffer): string | undefined => {
  try {
    return clinicOf(decodeRequest(plan, bytes)) || undefined
  } catch {
    return undefined
  }
}

/** The status of a call that ends with what was thrown; `bytes` is its request, where it has one. */
export const failGrpcCall = (parts: CallParts, open: OpenCall, thrown: unknown, bytes?: Buffer) =>
  encodeStatus(
    failCall(parts, open, thrown, () => (bytes === undefined ? undefined : clinicIfAny(open, bytes))),
    open.correlationId,
  )

/** The same for a call that has sent nothing yet: the name of the call goes with the status, so that refusing takes one frame. */
export const failUnaryCall = (parts: CallParts, open: OpenCall, thrown: unknown, bytes: Buffer) => {
  const status = failGrpcCall(parts, open, thrown, bytes)
  status.metadata.set(correlationHeader, open.correlationId)
  return status
}
