import type { Test } from 'tap'
import { AccessService } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { createGrpcClient } from '../../services/kernel/grpc/client.ts'

/** Clients to ask questions with, each over a connection of its own, which ends with the test. */
export const ownConnections = (test: Pick<Test, 'teardown'>, address: string, token: string, count: number) =>
  Array.from({ length: count }, () => {
    const client = createGrpcClient(AccessService, { address, token, ownConnection: true, timeoutMs: 10_000 })
    test.teardown(() => client.disconnect())
    return client
  })
