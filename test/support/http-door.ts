/** The HTTP server on loopback or by `inject()`, with everything a test may turn. */
import type { Test } from 'tap'
import type { ServiceImplementation } from '../../services/kernel/grpc/implement.ts'
import { createHttpServer, type HttpServerOptions } from '../../services/kernel/http/server.ts'
import { createHttpTwins, type HttpTwinsOptions } from '../../services/kernel/http/twins.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import type { Refusal } from '../../services/kernel/refusal.ts'
import { methodRules } from '../../services/kernel/scopes.ts'
import { doorParts, doorKeys as keys } from './door-parts.ts'
import { signJwt } from './signing-key.ts'
import { claimsAt } from './token-cases.ts'

export interface HttpDoorOptions
  extends Partial<Pick<HttpServerOptions, 'tls' | 'readiness' | 'bodyLimit' | 'requestTimeoutMs' | 'routes' | 'observer'>> {
  /** Their HTTP twins, besides `routes`. */
  readonly services?: readonly ServiceImplementation[]
  /** Defaults to 64. */
  readonly maxCalls?: number
  readonly admission?: HttpTwinsOptions['admission']
}

export const httpDoor = async (t: Test, { services = [], maxCalls = 64, admission, routes, ...options }: HttpDoorOptions = {}) => {
  const { clock, timers, log, refusals, verifier } = await doorParts()
  const onRefusal = (refusal: Refusal): void => void refusals.push(refusal)
  const twins = createHttpTwins({
    services,
    methodRules,
    verifier,
    onRefusal,
    logger: log.logger,
    clock,
    timers,
    randomness: systemRandomness,
    defaultDeadlineMs: 10_000,
    maxCalls,
    admission,
  })
  const http = await createHttpServer({
    address: { host: '127.0.0.1', port: 0 },
    verifier,
    logger: log.logger,
    timers,
    randomness: systemRandomness,
    readiness: async () => ({ ready: true, checks: {} }),
    onRefusal,
    routes: async (server, requireToken) => {
      await twins.routes(server)
      await routes?.(server, requireToken)
    },
    ...options,
  })
  t.teardown(async () => {
    await http.close()
    verifier.close()
  })
  const token = (claims: Record<string, unknown> = {}): string => signJwt(keys.ed, { ...claimsAt(clock.wall()), ...claims })
  const ask = (bearer?: string) =>
    http.server.inject({
      method: 'GET',
      url: '/v1/caller',
      ...(bearer === undefined ? {} : { headers: { authorization: `Bearer ${bearer}` } }),
    })
  /** A call of a twin; a text is sent as it is. */
  const call = (path: string, body: object | string, bearer = token(), headers: Readonly<Record<string, string>> = {}) =>
    http.server.inject({
      method: 'POST',
      url: `/v1/${path}`,
      headers: { 'content-type': 'application/json', ...(bearer === '' ? {} : { authorization: `Bearer ${bearer}` }), ...headers },
      payload: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return { http, twins, call, server: http.server, clock, timers, log, refusals, verifier, token, ask, keys }
}
