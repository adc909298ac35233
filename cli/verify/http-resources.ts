/** Resources of a service over HTTP, each bounded in time and size. */

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import http from 'node:http'
import https from 'node:https'
import { gunzipSync } from 'node:zlib'
import { ChartwardenError, type ErrorReason, errorCatalogue } from '../../services/kernel/errors.ts'
import { errorCode } from '../../services/kernel/postgres/error-code.ts'
import type { HttpAccess } from '../session.ts'

export interface HttpResources {
  /** Throws the ChartwardenError that the service answered with, SERVICE_UNREACHABLE where none does. `limit`: bytes of the resource. */
  get(path: string, limit: number): Promise<Buffer>
  close(): void
}

const mostErrorBytes = 65_536

const tooLarge = (path: string): ChartwardenError =>
  new ChartwardenError('INTERNAL', { message: `What answers at ${path} is larger than any such resource is.` })

const bodyOf = async (response: IncomingMessage, path: string, limit: number): Promise<Buffer> => {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > limit) throw tooLarge(path)
    pieces.push(piece)
  }
  const body = Buffer.concat(pieces)
  if (response.headers['content-encoding'] !== 'gzip') return body
  try {
    return gunzipSync(body, { maxOutputLength: limit })
  } catch {
    throw tooLarge(path)
  }
}

const isReason = (reason: unknown): reason is ErrorReason => typeof reason === 'string' && Object.hasOwn(errorCatalogue, reason)

/** What a problem document (RFC 9457) says; anything else that is no success comes from something else than the service. */
const problemOf = (status: number, path: string, body: Buffer): ChartwardenError => {
  try {
    const { reason, detail } = JSON.parse(body.toString('utf8')) as { readonly reason?: unknown; readonly detail?: unknown }
    if (isReason(reason)) return new ChartwardenError(reason, typeof detail === 'string' ? { message: detail } : {})
  } catch {
    // Said below.
  }
  return new ChartwardenError('SERVICE_UNREACHABLE', { message: `Something else than the service answers at ${path} (status ${status}).` })
}

export const createHttpResources = ({ address, token, tls, timeoutMs }: HttpAccess): HttpResources => {
  const module = tls === undefined ? http : https
  const agent = new module.Agent({ keepAlive: true, maxSockets: 8, ...tls })
  const base = `${tls === undefined ? 'http' : 'https'}://${address}`
  return {
    get: async (path, limit) => {
      const signal = AbortSignal.timeout(timeoutMs)
      try {
        const request = module.get(`${base}${path}`, {
          agent,
          signal,
          headers: { authorization: `Bearer ${token}`, 'accept-encoding': 'gzip' },
        })
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        const status = response.statusCode ?? 0
        if (status !== 200) throw problemOf(status, path, await bodyOf(response, path, mostErrorBytes))
        return await bodyOf(response, path, limit)
      } catch (thrown) {
        if (thrown instanceof ChartwardenError) throw thrown
        if (signal.aborted) {
          throw new ChartwardenError('DEADLINE_EXCEEDED', { message: `The service did not answer over HTTP within ${timeoutMs / 1000} s.` })
        }
        const message = `The service cannot be reached over HTTP at ${address} (${errorCode(thrown) ?? 'no answer'}); name its address with --http-address.`
        throw new ChartwardenError('SERVICE_UNREACHABLE', { message, cause: thrown })
      }
    },
    close: () => agent.destroy(),
  }
}
