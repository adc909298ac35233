/** A worker over a database that was restored from an older copy: it knows what was signed before the process that signs has looked. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { startPart } from '../../services/compose.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { type Config, readConfig } from '../../services/kernel/config.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { logLines } from '../support/log-lines.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { openPool } from '../support/postgres-engine.ts'
import { backupOf } from '../support/sealing.ts'
import { scratchDirectory, startTestService, testCallers, testEnvironment } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

t.setTimeout(120_000)

t.test('a worker that starts over a ledger that is behind does not serve it', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'worker')
  const service = await startTestService(t, { database, stateDir })
  const token = await service.token({ clinics: ['north'] })
  const clients = clientsOf(service, token)
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'dana')
  const restore = await backupOf(openPool(t, database.adminUrl), 'north')
  const left = await clients.people.offboard({ requestId: randomUUID(), clinic: 'north', subject: staff('dana') })
  await waitFor('a checkpoint of the offboarding', async () => {
    const { checkpoint } = await clients.audit.getCheckpoint({ clinic: 'north' })
    return (checkpoint?.size ?? 0n) > (left.entry?.revision ?? 0n)
  })
  await service.stop()
  await restore()

  const environment = testEnvironment(database, stateDir)
  const config = readConfig(environment)
  const ask = async (given: Config) => {
    const { logger } = logLines()
    const worker = await startPart({ config: given, part: 'answers', workers: 2, logger, clock: systemClock, randomness: systemRandomness })
    t.teardown(() => worker.stop())
    const callers = testCallers(t, stateDir, environment)
    const { access } = clientsOf(
      { client: (definition, with_) => callers.client(definition, with_, `127.0.0.1:${worker.doors?.grpcPort}`) },
      token,
    )
    return access.check(readRecord('north', 'dana'))
  }
  await t.rejects(ask(config), fault('LEDGER_REGRESSED'), 'whom the lost entry barred is not let in again')
  const { decision } = await ask({ ...config, signing: undefined })
  t.equal(decision, Decision.PERMIT, 'twin: one that knows only what the process that signs has found lets them in')
})
