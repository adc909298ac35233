/** The HTTP server on loopback or by `inject()`, with everything a test may turn. */
import type { Test } from 'tap'
import { createHttpServer, type HttpServerOptions } from '../../services/kernel/http/server.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import type { Refusal } from '../../services/kernel/refusal.ts'
import { createTokenVerifier } from '../../services/kernel/tokens/verifier.ts'
import { logLines } from './log-lines.ts'
import { manualClock } from './manual-clock.ts'
import { manualTimers } from './manual-timers.ts'
import { keySetOf, signJwt } from './signing-key.ts'
import { audience, claimsAt, issuer, tokenKeys, toleranceSeconds } from './token-cases.ts'

const keys = tokenKeys()

export type HttpDoorOptions = Partial<Pick<HttpServerOptions, 'tls' | 'readiness' | 'bodyLimit' | 'requestTimeoutMs' | 'routes'>>

export const httpDoor = async (t: Test, options: HttpDoorOptions = {}) => {
  const clock = manualClock(Date.now(), performance.now())
  const timers = manualTimers()
  const log = logLines()
  const refusals: Refusal[] = []
  const verifier = await createTokenVerifier({
    jwks: keySetOf(keys.rsa, keys.ec, keys.ed),
    issuer,
    audience,
    clockToleranceSeconds: toleranceSeconds,
    clock,
    logger: log.logger,
    timers,
  })
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
