/**
 * Promise 1: a decision leaves the process only after its entry is durable. The sabotage twin, a ledger that answers before it commits, must
 * be noticed by the same observation.
 */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Ledger } from '../../services/audit/ledger.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { answeringFirst, createLedgerGate, isDecision } from '../support/gate.ts'
import { createTestDatabase, ownTestServer } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'

/** Whether a check was answered while its append had not reached the ledger. */
const answeredWhileHeld = async (t: Test, sabotage: (ledger: Ledger) => Ledger = (ledger) => ledger): Promise<boolean> => {
  const database = await createTestDatabase(t)
  const gate = createLedgerGate()
  const service = await startTestService(t, { database, decorateLedger: (ledger) => sabotage(gate.decorate(ledger)) })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')

  const held = gate.holdNext(isDecision)
  let answered = false
  const answer = clients.access.check(readRecord('north', 'anna')).then((response) => {
    answered = true
    return response
  })
  const release = await held
  // Calls made later, over the same connection, come back first: time enough for an answer that waits for nothing.
  for (let call = 0; call < 20; call += 1) await t.rejects(clients.access.check({ clinic: 'north' }), fault('INVALID_ARGUMENT'))
  const early = answered
  release()
  await answer
  return early
}

t.test('an answer waits for its entry', async (t) => {
  t.equal(await answeredWhileHeld(t), false)
})

t.test('sabotage: a ledger that answers before it commits is noticed', async (t) => {
  t.equal(await answeredWhileHeld(t, answeringFirst), true)
})

t.test('without its ledger the service answers UNAVAILABLE, never a permit, and nothing answered is lost', async (t) => {
  const server = await ownTestServer(t)
  const database = await server.createDatabase()
  const service = await startTestService(t, { database })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')

  const answered = new Map<string, bigint>()
  const refused: unknown[] = []
  let stop = false
  const ask = async (): Promise<void> => {
    while (!stop) {
      try {
        const { entry } = await clients.access.check(readRecord('north', 'anna'), { timeoutMs: 5_000 })
        answered.set(entry?.id ?? '', entry?.revision ?? -1n)
      } catch (error) {
        refused.push(error)
        if (refused.length > 50) return
      }
    }
  }
  const asking = Array.from({ length: 16 }, ask)
  while (answered.size < 200) await new Promise((resolve) => setImmediate(resolve))
  await server.kill('SIGKILL')
  await t.rejects(clients.access.check(readRecord('north', 'anna')), fault('LEDGER_UNAVAILABLE'), 'refused while the database is dead')
  const common = { requestId: randomUUID(), clinic: 'north' }
  const others: readonly (() => Promise<unknown>)[] = [
    () => clients.access.check(readRecord('north', 'somebody-new')),
    () => clients.access.check(readRecord('north', 'anna', { patient: 'patient-new' })),
    () => clients.people.enrolStaff({ ...common, subject: staff('ben') }),
    () => clients.people.offboard({ ...common, subject: staff('anna') }),
    () => clients.people.offboard({ ...common, subject: staff('nobody-known') }),
    () => clients.clinics.registerClinic({ ...common, clinic: 'south', title: 'S', timeZone: 'UTC', administrator: staff('sue') }),
    () => clients.audit.recordAccess({ ...common, subject: staff('new'), action: { name: 'read' }, resource: { type: 'x', id: 'y' } }),
    () => clients.people.listStaff({ clinic: 'north' }),
    () => clients.reports.accessHistory({ clinic: 'north' }),
  ]
  for (const call of others) await t.rejects(call(), fault('LEDGER_UNAVAILABLE'), 'so that the caller comes again')
  stop = true
  await Promise.all(asking)
  t.ok(refused.length > 0, 'calls in flight at the kill were refused')

  await server.start()
  const stored = new Map<string, bigint>()
  let next = 0n
  for await (const { item } of clients.audit.readEntries({ clinic: 'north' })) {
    if (item.case !== 'entry') continue
    t.equal(item.value.revision, next, 'no gap')
    next += 1n
    stored.set(item.value.id, item.value.revision)
  }
  const lost = [...answered].filter(([id, revision]) => stored.get(id) !== revision)
  t.same(lost, [], `${answered.size} answered, all in the ledger after kill -9 of the database`)
})
