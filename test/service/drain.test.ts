/** Stopping: nothing new is taken, what was accepted is finished and answered, and only then the database goes. */
import t from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { ChartwardenError } from '../../services/kernel/errors.ts'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { createLedgerGate, isDecision } from '../support/gate.ts'
import { createLedgerReader } from '../support/ledger-reader.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'

t.test('a check accepted before the stop is answered and durable, one after it is refused', async (t) => {
  const database = await createTestDatabase(t)
  const ledgers = await createLedgerReader(t, database)
  const gate = createLedgerGate()
  const service = await startTestService(t, { database, decorateLedger: (ledger) => gate.decorate(ledger) })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')

  const held = gate.holdNext(isDecision)
  const accepted = clients.access.check(readRecord('north', 'anna'))
  const release = await held
  const stopped = service.stop()
  const late = await clients.access.check(readRecord('north', 'anna'), { timeoutMs: 2_000 }).then(
    () => 'answered',
    (error: ChartwardenError) => error.grpc,
  )
  t.ok(late === 14 || late === 4, `a late call is refused with ${late}`)
  release()
  const answer = await accepted
  t.equal(answer.decision, Decision.PERMIT)
  await stopped
  const entry = (await ledgers.entries('north')).find(({ revision }) => revision === answer.entry?.revision)
  t.match(entry?.data, { decision: 'permit' })
})
