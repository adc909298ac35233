import { credentials, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js'
import { service } from 'grpc-health-check'
import type { Test } from 'tap'

interface Answer {
  readonly status: string
}

export interface HealthClient {
  check(request: { service: string }, done: (error: ServiceError | null, answer?: Answer) => void): void
  watch(request: { service: string }): AsyncIterable<Answer> & { on(event: string, run: (value: Answer) => void): void }
  close(): void
}

/** A client of grpc.health.v1 that is closed when the test ends. */
export const connectHealth = (t: Test, address: string): HealthClient => {
  const Health = makeGenericClientConstructor(service as never, 'Health')
  const client = new Health(address, credentials.createInsecure()) as unknown as HealthClient
  t.teardown(() => client.close())
  return client
}

/** The status of a service by its name, `''` for all of them, or the code of the refusal. */
export const askHealth = (client: HealthClient, name: string): Promise<string> =>
  new Promise((resolve) =>
    client.check({ service: name }, (error, answer) => resolve(error === null ? (answer?.status ?? '') : `code ${error.code}`)),
  )
