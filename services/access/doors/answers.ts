/** Ledger facts as contract messages. */
import { create } from '@bufbuild/protobuf'
import { durationFromMs, type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt'
import { type ItemError, ItemErrorSchema } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { CallContext } from '../../kernel/caller.ts'
import { toChartwardenError } from '../../kernel/errors.ts'
import type { ObligationData } from '../events.ts'

export const timestampOf = (millis: number): Timestamp => timestampFromMs(millis)

/** An RFC 3339 time of an entry as a timestamp. */
export const timestampOfText = (text: string): Timestamp => timestampFromMs(Date.parse(text))

/** One item's refusal, where the others of its batch or stream go on. */
export const itemErrorOf = (thrown: unknown): ItemError => {
  const { reason, message, grpc, retryAfterSeconds } = toChartwardenError(thrown)
  const retry = retryAfterSeconds === undefined ? {} : { retryAfter: durationFromMs(retryAfterSeconds * 1_000) }
  return create(ItemErrorSchema, { reason, message, code: grpc, ...retry })
}

/** Duties as the contract's obligations. */
export const obligationMessages = (obligations: readonly ObligationData[]) =>
  obligations.map(({ id, type, properties }) => ({
    id,
    type,
    properties: properties.codes === undefined ? {} : { codes: [...properties.codes] },
  }))

/**
 * One item's refusal inside a batch or stream, which no interceptor sees: a fault of ours goes to the log and a refused clinic to the
 * system ledger, as they would for a call of its own.
 */
export const refuseItem = (
  thrown: unknown,
  clinic: string,
  context: CallContext,
  onFault: (error: unknown, context: CallContext) => void,
): ItemError => {
  const error = toChartwardenError(thrown)
  if (error.reason === 'INTERNAL') onFault(thrown, context)
  context.refused?.(error, clinic)
  return itemErrorOf(error)
}
