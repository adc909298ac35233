/**
 * @fastify/jwt behind the one verifier: before the plugin checks a signature it asks for the key, and the answer comes from
 * `verifyWithKey`, which has then checked everything. HTTP can therefore accept nothing that gRPC refuses.
 */
import fastifyJwt from '@fastify/jwt'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../caller.ts'
import { ChartwardenError } from '../errors.ts'
import type { Scope } from '../scopes.ts'
import { bearerToken } from '../tokens/bearer.ts'
import { tokenAlgorithms } from '../tokens/key-set.ts'
import type { TokenVerifier } from '../tokens/verifier.ts'

declare module '@fastify/jwt' {
  interface FastifyJWT {
    /** `request.user`, once `requireToken` has run. */
    user: Caller
  }
}

/** Makes a hook that lets only callers with a good token, and the scope if one is named, reach a route. */
export type RequireToken = (scope?: Scope) => (request: FastifyRequest, reply: FastifyReply) => Promise<void>

export const addAuthentication = async (server: FastifyInstance, verifier: TokenVerifier): Promise<RequireToken> => {
  const callers = new WeakMap<FastifyRequest, Caller>()
  await server.register(fastifyJwt, {
    secret: async (request: FastifyRequest) => {
      const { caller, publicKey } = await verifier.verifyWithKey(bearerToken(request.headers.authorization))
      callers.set(request, caller)
      return publicKey
    },
    // Times and claims were checked against our own clock; the plugin's cache spares the second look at a signature.
    verify: {
      algorithms: [...tokenAlgorithms],
      ignoreExpiration: true,
      ignoreNotBefore: true,
      cache: 1_000,
      extractToken: (request) => bearerToken(request.headers.authorization),
    },
  })
  return (scope) => async (request) => {
    await request.jwtVerify()
    const caller = callers.get(request)
    if (caller === undefined) throw new ChartwardenError('TOKEN_REFUSED', { cause: new Error('not_verified') })
    request.user = caller
    if (scope !== undefined && !caller.scopes.has(scope)) throw new ChartwardenError('SCOPE_MISSING', { metadata: { scope } })
  }
}
