/** What a twin answers: one message as JSON, or one message a line. */
import { Readable } from 'node:stream'
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import type { FastifyReply } from 'fastify'
import { type CallParts, failCall } from '../calls/open-call.ts'
import { ChartwardenError } from '../errors.ts'
import { writeJsonMessage } from './json-message.ts'
import { problemOf } from './problem.ts'
import type { TwinCall } from './twin-call.ts'

/** One message a line (https://github.com/ndjson/ndjson-spec). */
const linesType = 'application/x-ndjson'

/** A stream with nothing to send yet says after so many milliseconds that it has begun. */
const beginsAfterMs = 1_000

/** Largest answer of a unary call, in bytes: no less than the largest one of gRPC as JSON. */
const maxAnswerBytes = 16_777_216

type Answer = MessageInitShape<DescMessage>

/** Sends the one answer. */
export const sendAnswer = async (call: TwinCall, reply: FastifyReply, given: Promise<Answer>): Promise<FastifyReply> => {
  const text = writeJsonMessage(call.open.plan.method.output, await call.wait(given))
  if (Buffer.byteLength(text) > maxAnswerBytes) throw new ChartwardenError('MESSAGE_TOO_LARGE')
  return reply.type('application/json; charset=utf-8').send(text)
}

/** Not awaited: the handler may be waiting for something that only its signal ends. */
const leave = (answers: AsyncIterator<Answer>): void => void answers.return?.().then(undefined, () => undefined)

/** A failure after the first line is the last line: the status has left by then. No message of the contract has a member of that name. */
const problemLine = (parts: CallParts, { open }: TwinCall, thrown: unknown): string =>
  `${JSON.stringify({ problem: problemOf(failCall(parts, open, thrown), open.correlationId) })}\n`

const linesOf = async function* (
  parts: CallParts,
  call: TwinCall,
  reply: FastifyReply,
  answers: AsyncIterator<Answer>,
  first: Promise<IteratorResult<Answer>>,
): AsyncGenerator<string> {
  const { output } = call.open.plan.method
  // They would wait for the first line, and a reader for them.
  reply.raw.flushHeaders()
  try {
    for (let next = await first; next.done !== true; next = await call.wait(answers.next())) {
      yield `${writeJsonMessage(output, next.value)}\n`
    }
  } catch (thrown) {
    yield problemLine(parts, call, thrown)
  } finally {
    leave(answers)
  }
}

/** Sends the answers no faster than the connection takes them. What fails before the first of them, and soon, fails with its own status. */
export const sendLines = async (
  parts: CallParts,
  call: TwinCall,
  reply: FastifyReply,
  given: AsyncIterable<Answer>,
): Promise<FastifyReply> => {
  const answers = given[Symbol.asyncIterator]()
  const first = call.wait(answers.next())
  try {
    await Promise.race([first, new Promise<void>((resolve) => call.after(beginsAfterMs, resolve))])
  } catch (thrown) {
    leave(answers)
    throw thrown
  }
  const lines = Readable.from(linesOf(parts, call, reply, answers, first), { objectMode: false })
  return reply.type(linesType).send(lines)
}
