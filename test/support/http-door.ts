/** The HTTP server on loopback or by `inject()`, with everything a test may turn. */
import type { Test } from 'tap'
import { createHttpServer, type HttpServerOptions } from '../../services/kernel/http/server.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { doorParts, doorKeys as keys } from './door-parts.ts'
import { signJwt } from './signing-key.ts'
import { claimsAt } from './token-cases.ts'

export type HttpDoorOptions = Partial<Pick<HttpServerOptions, 'tls' | 'readiness' | 'bodyLimit' | 'requestTimeoutMs' | 'routes'>>

export const httpDoor = async (t: Test, options: HttpDoorOptions = {}) => {
  const { clock, timers, log, refusals, verifier } = await doorParts()
  const http = await createHttpServer({
    address: { host: '127.0.0.1', port: 0 },
    verifier,
    logger: log.logger,
    timers,
    randomness: systemRandomness,
    readiness: async () => ({ ready: true, checks: {} }),
    onRefusal: (refusal) => refusals.push(refusal),
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
  return { http, server: http.server, clock, timers, log, refusals, verifier, token, ask, keys }
}
