/** A stream that follows: what comes is sent, the person is decided anew when the state moves, and a stop ends it properly. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { AuditService } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import type { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'

const following = async (t: Test) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')
  await hire(clients, 'north', 'olga', 'administrator')
  const acting = service.client(AuditService, await service.token({ clinics: ['north'], scopes: [...ownScopes, 'act'] as Scope[] }))
  const stream = acting.readEntries({ clinic: 'north', onBehalfOf: staff('olga'), follow: true })[Symbol.asyncIterator]()
  return { service, clients, stream }
}

t.test('a follower gets what comes, in order and without a gap, and ends with the service', async (t) => {
  const { service, clients, stream } = await following(t)
  const last = (await clients.access.check(readRecord('north', 'anna'))).entry?.revision ?? 0n
  let next = 0n
  while (next <= last) {
    const { value } = await stream.next()
    t.equal(value?.item.case === 'entry' ? value.item.value.revision : undefined, next)
    next += 1n
  }
  const stopped = service.stop()
  for (;;) {
    const step = await stream.next()
    if (step.done === true) throw new Error('the stream was cut')
    if (step.value.item.case === 'end') {
      t.equal(step.value.item.value.completeToRevision + 1n, step.value.item.value.items, 'complete to the last entry sent')
      break
    }
  }
  await stopped
})

t.test('a follower whose person leaves is ended and the refusal is recorded', async (t) => {
  const { clients, stream } = await following(t)
  await stream.next()
  const left = await clients.people.offboard({ requestId: randomUUID(), clinic: 'north', subject: staff('olga') })
  let reason = ''
  try {
    for (;;) if ((await stream.next()).done === true) break
  } catch (error) {
    reason = (error as ChartwardenError).reason
  }
  t.equal(reason, 'NOT_PERMITTED')
  const after = await clients.reports.accessHistory({
    clinic: 'north',
    filter: { subject: staff('olga') },
    waitForRevision: (left.entry?.revision ?? 0n) + 1n,
  })
  t.match(after.rows[0], { reasonCode: 'offboarded' })
})

t.test('a follower whose permission runs out is ended, though no entry says so', async (t) => {
  const { service, clients } = await following(t)
  const ends = Date.now() + 1_500
  const until = { seconds: BigInt(Math.floor(ends / 1000)), nanos: (ends % 1000) * 1_000_000 }
  await clients.people.enrolStaff({ requestId: randomUUID(), clinic: 'north', subject: staff('paul') })
  await clients.people.grantRole({ requestId: randomUUID(), clinic: 'north', subject: staff('paul'), role: 'administrator', until })
  const acting = service.client(AuditService, await service.token({ clinics: ['north'], scopes: [...ownScopes, 'act'] as Scope[] }))
  let reason = ''
  try {
    for await (const _ of acting.readEntries({ clinic: 'north', onBehalfOf: staff('paul'), follow: true }, { timeoutMs: 20_000 }));
  } catch (error) {
    reason = (error as ChartwardenError).reason
  }
  t.equal(reason, 'NOT_PERMITTED')
})
