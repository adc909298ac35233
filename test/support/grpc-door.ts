/** A gRPC server on loopback whose handlers a test chooses, with everything the test may turn. */
import type { Test } from 'tap'
import { AccessService } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { createGrpcClient } from '../../services/kernel/grpc/client.ts'
import { type Handlers, implement } from '../../services/kernel/grpc/implement.ts'
import { createGrpcServer, type GrpcServerOptions } from '../../services/kernel/grpc/server.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { methodRules } from '../../services/kernel/scopes.ts'
import { doorParts, doorKeys as keys } from './door-parts.ts'
import { signJwt } from './signing-key.ts'
import { claimsAt } from './token-cases.ts'

export type AccessHandlers = Handlers<(typeof AccessService)['method']>

/** Answers with what it was asked. */
export const echo: AccessHandlers = {
  check: async ({ requestId }) => ({ requestId }),
  checkBatch: async ({ checks }) => ({ results: checks.map(({ requestId }) => ({ outcome: { case: 'response', value: { requestId } } })) }),
  checkStream: async function* (requests) {
    for await (const { seq } of requests) yield { seq }
  },
  explain: async ({ check }) => ({ reasonCode: check?.requestId ?? '' }),
  whoCan: async ({ pageToken }) => ({ nextPageToken: pageToken }),
  whatCan: async ({ pageToken }) => ({ nextPageToken: pageToken }),
}

export interface GrpcDoorOptions
  extends Partial<
    Pick<GrpcServerOptions, 'services' | 'tls' | 'reflection' | 'maxMessageBytes' | 'defaultDeadlineMs' | 'observer' | 'admission'>
  > {
  readonly handlers?: Partial<AccessHandlers>
}

export const grpcDoor = async (t: Test, { handlers = {}, ...options }: GrpcDoorOptions = {}) => {
  const { clock, timers, log, refusals, verifier } = await doorParts()
  const server = createGrpcServer({
    address: { host: '127.0.0.1', port: 0 },
    verifier,
    services: [implement(AccessService, { ...echo, ...handlers })],
    methodRules,
    onRefusal: (refusal) => refusals.push(refusal),
    logger: log.logger,
    clock,
    timers,
    randomness: systemRandomness,
    maxMessageBytes: 1_048_576,
    defaultDeadlineMs: 10_000,
    reflection: false,
    ...options,
  })
  const port = await server.start()
  const address = `127.0.0.1:${port}`
  const token = (claims: Record<string, unknown> = {}): string => signJwt(keys.ed, { ...claimsAt(clock.wall()), ...claims })
  const tls = options.tls === undefined ? {} : { tls: { ca: options.tls.cert } }
  const connect = (bearer: string | undefined = token()) => {
    const client = createGrpcClient(AccessService, { address, ...(bearer === '' ? {} : { token: bearer }), ...tls })
    t.teardown(() => client.disconnect())
    return client
  }
  t.teardown(() => {
    server.close()
    verifier.close()
  })
  return { server, address, clock, timers, log, refusals, verifier, token, connect, keys }
}
