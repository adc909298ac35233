/** Sends accesses in batches and tries again what may be tried again, under the same request ids: nothing is recorded twice. */
import type { RecordAccessBatchResponse, RecordAccessRequest } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ChartwardenError, type ErrorReason, errorCatalogue, grpcCode } from '../../services/kernel/errors.ts'
import type { Connection } from '../connection.ts'

/** The most that one call takes. */
export const maxBatchItems = 512

const firstPauseMs = 200
const longestPauseMs = 15_000
/** Calls of one batch in a row that brought nothing forward; with the pauses between them about a minute. */
const maxFruitless = 9

export type SentOutcome =
  /** Under `validateOnly`: would be now. */
  | { readonly kind: 'recorded' }
  /** An earlier import has recorded exactly this. */
  | { readonly kind: 'there already' }
  /** This one alone; nothing was changed by it. */
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string }

export interface Sent<Item> {
  readonly item: Item
  readonly outcome: SentOutcome
}

export interface SendOptions {
  readonly audit: Pick<Connection['audit'], 'recordAccessBatch'>
  readonly clinic: string
  /** Asks what recording would answer now, and records nothing. */
  readonly validateOnly?: boolean
  /** Waits; in milliseconds. */
  readonly pause: (milliseconds: number) => Promise<void>
  /** Between 0 and 1. */
  readonly chance: () => number
  /** Told before each wait. */
  readonly onRetry: (error: ChartwardenError, milliseconds: number) => Promise<void>
}

export interface Sendable {
  readonly request: RecordAccessRequest
}

const isReason = (text: string): text is ErrorReason => Object.hasOwn(errorCatalogue, text)

/** An item's error as the error of a call; a reason of another version is judged by its code. */
const itemError = ({
  reason,
  message,
  code,
}: {
  readonly reason: string
  readonly message: string
  readonly code: number
}): ChartwardenError => {
  if (isReason(reason)) return new ChartwardenError(reason, { message })
  const known: ErrorReason =
    code === grpcCode.invalidArgument ? 'INVALID_ARGUMENT' : code === grpcCode.unavailable ? 'LEDGER_UNAVAILABLE' : 'INTERNAL'
  return new ChartwardenError(known, { message, metadata: { reason } })
}

/** A service may be configured to take less at a time than the contract allows. */
const isTooMuch = (error: ChartwardenError): boolean =>
  error.reason === 'MESSAGE_TOO_LARGE' || (error.reason === 'INVALID_ARGUMENT' && error.fields.some(({ field }) => field === 'accesses'))

type Attempt =
  | { readonly kind: 'answer'; readonly answer: RecordAccessBatchResponse }
  | { readonly kind: 'failed'; readonly error: ChartwardenError }

/**
 * The outcome of each item of one batch, in no particular order. Throws what concerns more than one item and cannot be helped by waiting; what was
 * yielded until then stays recorded.
 */
export async function* sendBatch<Item extends Sendable>(
  items: readonly Item[],
  options: SendOptions,
): AsyncGenerator<Sent<Item>, void, undefined> {
  const { audit, clinic, validateOnly = false, pause, chance, onRetry } = options
  const attempt = async (some: readonly Item[]): Promise<Attempt> => {
    try {
      const accesses = some.map(({ request }) => request)
      return { kind: 'answer', answer: await audit.recordAccessBatch({ clinic, accesses, validateOnly }) }
    } catch (error) {
      if (!(error instanceof ChartwardenError)) throw error
      return { kind: 'failed', error }
    }
  }

  let left = items
  for (let fruitless = 0; left.length > 0; ) {
    const result = await attempt(left)
    let again: ChartwardenError
    if (result.kind === 'failed') {
      const { error } = result
      if (isTooMuch(error) && left.length > 1) {
        const half = Math.ceil(left.length / 2)
        yield* sendBatch(left.slice(0, half), options)
        left = left.slice(half)
        continue
      }
      if (!errorCatalogue[error.reason].retry) throw error
      again = error
    } else {
      const { results } = result.answer
      if (results.length !== left.length) throw new ChartwardenError('INTERNAL', { message: 'The service did not answer each access.' })
      const waiting: Item[] = []
      let error: ChartwardenError | undefined
      for (const [index, item] of left.entries()) {
        const outcome = results[index]?.outcome
        if (outcome?.case === 'response') yield { item, outcome: { kind: outcome.value.replayed ? 'there already' : 'recorded' } }
        else {
          const failed = itemError(
            outcome?.value ?? { reason: 'INTERNAL', message: 'The service gave no outcome.', code: grpcCode.internal },
          )
          if (errorCatalogue[failed.reason].retry) {
            waiting.push(item)
            error = failed
          } else if (failed.grpc === grpcCode.invalidArgument) {
            yield { item, outcome: { kind: 'refused', reason: failed.reason, message: failed.message } }
          } else throw failed
        }
      }
      if (error === undefined) return
      if (waiting.length < left.length) fruitless = 0
      left = waiting
      again = error
    }
    fruitless += 1
    if (fruitless >= maxFruitless) throw again
    const backoff = Math.min(longestPauseMs, firstPauseMs * 2 ** (fruitless - 1)) * (0.5 + chance() / 2)
    const milliseconds = Math.max(backoff, (again.retryAfterSeconds ?? 0) * 1000)
    await onRetry(again, milliseconds)
    await pause(milliseconds)
  }
}

/** Cuts a stream into lists of at most so many. */
export async function* inBatches<Item>(items: AsyncIterable<Item>, most: number): AsyncGenerator<readonly Item[], void, undefined> {
  let batch: Item[] = []
  for await (const item of items) {
    batch.push(item)
    if (batch.length < most) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
