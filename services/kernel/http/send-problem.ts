import type { FastifyReply } from 'fastify'
import { correlationHeader } from '../calls/open-call.ts'
import type { ChartwardenError } from '../errors.ts'
import { problemHeaders, problemOf, problemType } from './problem.ts'

/** Answers are about one caller at one moment, and none is a page; a route that serves pages sets its own. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Ends a request with an error that may be shown. */
export const sendProblem = (reply: FastifyReply, error: ChartwardenError, correlationId: string): void => {
  reply
    .code(error.http)
    .headers({ ...securityHeaders, ...problemHeaders(error), [correlationHeader]: correlationId })
    // Serialised here: Fastify would replace an Error and apply the route's own schema.
    .header('content-type', problemType)
    .send(JSON.stringify(problemOf(error, correlationId)))
}
