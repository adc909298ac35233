import { credentials, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js'
import { service } from 'grpc-health-check'
import t, { type Test } from 'tap'
import { grpcDoor } from '../../support/grpc-door.ts'
import { waitFor } from '../../support/wait-for.ts'

interface Answer {
  readonly status: string
}

interface HealthClient {
  check(request: { service: string }, done: (error: ServiceError | null, answer?: Answer) => void): void
  watch(request: { service: string }): AsyncIterable<Answer> & { on(event: string, run: (value: Answer) => void): void }
  close(): void
}

const connect = (t: Test, address: string): HealthClient => {
  const Health = makeGenericClientConstructor(service as never, 'Health')
  const client = new Health(address, credentials.createInsecure()) as unknown as HealthClient
  t.teardown(() => client.close())
  return client
}

const ask = (client: HealthClient, name: string): Promise<string> =>
  new Promise((resolve) =>
    client.check({ service: name }, (error, answer) => resolve(error === null ? (answer?.status ?? '') : `code ${error.code}`)),
  )

t.test('health is told without a token, overall and for each service', async (t) => {
  const door = await grpcDoor(t)
  const client = connect(t, door.address)
  const names = ['', 'chartwarden.access.v1.AccessService']
  for (const name of names) t.equal(await ask(client, name), 'NOT_SERVING', 'until the service says otherwise')
  door.server.setServing(true)
  for (const name of names) t.equal(await ask(client, name), 'SERVING')
  t.equal(await ask(client, 'chartwarden.access.v1.NoService'), 'code 5')
  t.equal(door.refusals.length, 0)
})

t.test('whoever watches hears that the service stops, and does not hold it open', async (t) => {
  const door = await grpcDoor(t)
  door.server.setServing(true)
  const heard: string[] = []
  let ended = false
  const watch = connect(t, door.address).watch({ service: '' })
  watch.on('data', ({ status }) => heard.push(status))
  watch.on('end', () => (ended = true))
  watch.on('error', () => undefined)
  await waitFor('the first status', () => heard.length === 1)
  await door.server.drain(60_000)
  await waitFor('the end', () => ended)
  t.strictSame(heard, ['SERVING', 'NOT_SERVING'])
})
