import { ChartwardenError } from '../services/kernel/errors.ts'

export interface PatientStreamOptions<Message> {
  /** Begins the call; the signal cancels it. */
  readonly start: (signal: AbortSignal) => AsyncIterable<Message>
  /** How long the service may be silent, in milliseconds. The reader's own time does not count. */
  readonly silenceMs: number
}

/**
 * The messages of a call that may last long but not be silent: a big report through a slow pager goes on, a service that says nothing does
 * not hold the caller. Throws DEADLINE_EXCEEDED after the silence.
 */
export async function* patientStream<Message>({
  start,
  silenceMs,
}: PatientStreamOptions<Message>): AsyncGenerator<Message, void, undefined> {
  const controller = new AbortController()
  const messages = start(controller.signal)[Symbol.asyncIterator]()
  const next = async (): Promise<IteratorResult<Message>> => {
    const timer = setTimeout(() => controller.abort(), silenceMs)
    try {
      return await messages.next()
    } catch (thrown) {
      if (!controller.signal.aborted) throw thrown
      const message = `The service was silent for ${silenceMs / 1000} s; run it again, or allow more with --timeout.`
      throw new ChartwardenError('DEADLINE_EXCEEDED', { message, cause: thrown })
    } finally {
      clearTimeout(timer)
    }
  }
  try {
    for (let result = await next(); result.done !== true; result = await next()) yield result.value
  } finally {
    await messages.return?.()
  }
}
