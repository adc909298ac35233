import type { Socket } from 'node:net'
import { ChartwardenError } from '../errors.ts'
import type { Randomness } from '../ids.ts'
import { problemOf, problemType } from './problem.ts'

const errorOf = (code: unknown): ChartwardenError => {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ChartwardenError('REQUEST_TIMEOUT')
  if (code === 'HPE_HEADER_OVERFLOW')
    return new ChartwardenError('MESSAGE_TOO_LARGE', { message: 'The headers are larger than this service takes.' })
  return new ChartwardenError('INVALID_ARGUMENT', { message: 'This is not HTTP/1.1.' })
}

/** Answers what never became a request: bytes that are not HTTP, headers that are too large, a request that does not arrive. */
export const answerClientError =
  (randomness: Randomness) =>
  (failure: { readonly code?: unknown }, socket: Socket): void => {
    if (failure.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
      socket.destroy()
      return
    }
    const error = errorOf(failure.code)
    const body = JSON.stringify(problemOf(error, randomness.uuid()))
    socket.end(
      `HTTP/1.1 ${error.http} Refused\r\ncontent-type: ${problemType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    )
  }
