import t from 'tap'
import { grpcDoor } from '../../support/grpc-door.ts'
import { askHealth, connectHealth } from '../../support/grpc-health.ts'
import { waitFor } from '../../support/wait-for.ts'

t.test('health is told without a token, overall and for each service', async (t) => {
  const door = await grpcDoor(t)
  const client = connectHealth(t, door.address)
  const names = ['', 'chartwarden.access.v1.AccessService']
  for (const name of names) t.equal(await askHealth(client, name), 'NOT_SERVING', 'until the service says otherwise')
  door.server.setServing(true)
  for (const name of names) t.equal(await askHealth(client, name), 'SERVING')
  t.equal(await askHealth(client, 'chartwarden.access.v1.NoService'), 'code 5')
  t.equal(door.refusals.length, 0)
})

t.test('whoever watches hears that the service stops, and does not hold it open', async (t) => {
  const door = await grpcDoor(t)
  door.server.setServing(true)
  const heard: string[] = []
  let ended = false
  const watch = connectHealth(t, door.address).watch({ service: '' })
  watch.on('data', ({ status }) => heard.push(status))
  watch.on('end', () => (ended = true))
  watch.on('error', () => undefined)
  await waitFor('the first status', () => heard.length === 1)
  await door.server.drain(60_000)
  await waitFor('the end', () => ended)
  t.strictSame(heard, ['SERVING', 'NOT_SERVING'])
})
