/** Catalogue errors as google.rpc.Status in `grpc-status-details-bin`, and back (https://google.aip.dev/193). */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt'
import { status as grpcStatus, Metadata, type StatusObject } from '@grpc/grpc-js'
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '../../../proto/gen/google/rpc/error_details_pb.js'
import { StatusSchema } from '../../../proto/gen/google/rpc/status_pb.js'
import { ChartwardenError, type ErrorReason, errorCatalogue, type FieldViolation } from '../errors.ts'
import { asBuffer } from './method-definitions.ts'

const errorDomain = 'chartwarden'
const detailsKey = 'grpc-status-details-bin'

/** Clients refuse trailers of more than 8 KiB by default. */
const maxFields = 20
const maxText = 200

const shorten = (text: string): string => {
  const whole = text.toWellFormed()
  return whole.length <= maxText ? whole : `${whole.slice(0, maxText - 1).toWellFormed()}…`
}

const shownFields = (fields: readonly FieldViolation[]): readonly FieldViolation[] => {
  const shown = fields.slice(0, maxFields).map(({ field, description }) => ({ field: shorten(field), description: shorten(description) }))
  if (fields.length > maxFields) shown.push({ field: '', description: `and ${fields.length - maxFields} more` })
  return shown
}

/** The status of a failed call; `correlationId` also stands in ErrorInfo, since it is what an operator asks for. */
export const encodeStatus = (error: ChartwardenError, correlationId: string): StatusObject => {
  const message = error.message.toWellFormed()
  const details = [
    anyPack(
      ErrorInfoSchema,
      create(ErrorInfoSchema, { reason: error.reason, domain: errorDomain, metadata: { ...error.metadata, correlationId } }),
    ),
  ]
  if (error.fields.length > 0) {
    details.push(
      anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations: shownFields(error.fields).map((field) => ({ ...field })) })),
    )
  }
  if (error.retryAfterSeconds !== undefined) {
    const seconds = Math.floor(error.retryAfterSeconds)
    const nanos = Math.round((error.retryAfterSeconds - seconds) * 1e9)
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: { seconds: BigInt(seconds), nanos } })))
  }
  const metadata = new Metadata()
  metadata.set(detailsKey, asBuffer(toBinary(StatusSchema, create(StatusSchema, { code: error.grpc, message, details }))))
  return { code: error.grpc, details: message, metadata }
}

/** What the status alone says, for answers that carry no details: those of grpc-js itself and of proxies. */
const reasonOfCode: Partial<Record<number, ErrorReason>> = {
  [grpcStatus.CANCELLED]: 'CALL_CANCELLED',
  [grpcStatus.INVALID_ARGUMENT]: 'INVALID_ARGUMENT',
  [grpcStatus.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [grpcStatus.PERMISSION_DENIED]: 'NOT_PERMITTED',
  [grpcStatus.RESOURCE_EXHAUSTED]: 'MESSAGE_TOO_LARGE',
  [grpcStatus.UNIMPLEMENTED]: 'UNIMPLEMENTED',
  [grpcStatus.UNAVAILABLE]: 'SERVICE_UNREACHABLE',
  [grpcStatus.UNAUTHENTICATED]: 'TOKEN_REFUSED',
}

const isReason = (text: string | undefined): text is ErrorReason => text !== undefined && Object.hasOwn(errorCatalogue, text)

/** A failed call as the catalogue error the server threw. A reason that this version does not know stands in `metadata.reason`. */
export const decodeStatus = (failed: Pick<StatusObject, 'code' | 'details' | 'metadata'>): ChartwardenError => {
  const [bytes] = failed.metadata?.get(detailsKey) ?? []
  const fallback = reasonOfCode[failed.code] ?? 'INTERNAL'
  if (!(bytes instanceof Buffer)) {
    const message = fallback === 'SERVICE_UNREACHABLE' ? undefined : failed.details
    return new ChartwardenError(fallback, { ...(message ? { message } : {}), cause: failed })
  }
  const status = fromBinary(StatusSchema, bytes)
  const details = <Unpacked>(unpack: (any: (typeof status.details)[number]) => Unpacked | undefined) =>
    status.details.map(unpack).find((detail) => detail !== undefined)
  const info = details((any) => anyUnpack(any, ErrorInfoSchema))
  const fields = details((any) => anyUnpack(any, BadRequestSchema))?.fieldViolations ?? []
  const delay = details((any) => anyUnpack(any, RetryInfoSchema))?.retryDelay
  const known = isReason(info?.reason)
  return new ChartwardenError(known ? (info?.reason as ErrorReason) : fallback, {
    message: status.message,
    fields: fields.map(({ field, description }) => ({ field, description })),
    metadata: { ...info?.metadata, ...(known || info === undefined ? {} : { reason: info.reason }) },
    ...(delay === undefined ? {} : { retryAfterSeconds: Number(delay.seconds) + delay.nanos / 1e9 }),
  })
}
