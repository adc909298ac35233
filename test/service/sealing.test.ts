/** Services as processes of their own, over one database and one signer store. */
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import t from 'tap'
import { clientsOf, hire, registerTestClinic } from '../support/clinic.ts'
import { danaAsks } from '../support/clinic-process.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { openPool } from '../support/postgres-engine.ts'
import { scratchDirectory, testCallers, testEnvironment } from '../support/service.ts'
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts'
import { waitFor } from '../support/wait-for.ts'

t.setTimeout(280_000)

t.test('of two services one seals; killed or paused, it is followed by the other, and nothing is signed twice', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'sealing')
  const environment = {
    ...testEnvironment(database, stateDir),
    CHARTWARDEN_SIGNER_DIR: path.join(stateDir, 'one-signer'),
    CHARTWARDEN_PUBLISH_INTERVAL_MS: '100',
  }
  const superuser = openPool(t, database.adminUrl)
  const callers = testCallers(t, stateDir, environment)
  const readiness = async ({ httpAddress }: ServiceProcess): Promise<Readonly<Record<string, unknown>>> =>
    ((await (await fetch(`${httpAddress}/readyz`)).json()) as { checks: Record<string, unknown> }).checks

  const first = await startServiceProcess(t, environment)
  const token = await callers.token({ clinics: ['north'] })
  const clientsAt = ({ address }: ServiceProcess) =>
    clientsOf({ client: (definition, given) => callers.client(definition, given, address) }, token)
  await registerTestClinic(clientsAt(first), 'north')
  await hire(clientsAt(first), 'north', 'dana')

  const published = (what: string) =>
    waitFor(`a checkpoint after ${what}`, async () => {
      const { rows } = await superuser.query<{ whole: boolean }>(
        `select (select max(size) from chartwarden_log.checkpoints where clinic = 'north') = revision + 1 as whole
         from chartwarden_ledger.heads where clinic = 'north'`,
      )
      return rows[0]?.whole === true
    })
  const epoch = async (): Promise<bigint> =>
    BigInt((await superuser.query<{ epoch: string }>('select epoch from chartwarden_log.sealer')).rows[0]?.epoch ?? 0)
  const ask = async (service: ServiceProcess) => {
    const answer = await clientsAt(service).access.check({ ...danaAsks(), requestId: randomUUID(), clinic: 'north' })
    t.ok(answer.entry)
  }

  await published('registration')
  const second = await startServiceProcess(t, environment)
  t.equal((await readiness(first)).log, 'publishing')
  await waitFor('the second to stand by', async () => (await readiness(second)).log === 'standby')

  const before = await epoch()
  await first.stop('SIGKILL')
  await ask(second)
  await published('the kill')
  t.equal((await readiness(second)).log, 'publishing')
  t.ok((await epoch()) > before)

  const third = await startServiceProcess(t, environment)
  process.kill(second.pid, 'SIGSTOP')
  const paused = await epoch()
  await ask(third)
  await published('the pause')
  t.ok((await epoch()) > paused, 'the paused one has lost the lock')
  process.kill(second.pid, 'SIGCONT')
  await waitFor('it to stand by', async () => (await readiness(second)).log === 'standby')
  t.equal((await readiness(third)).log, 'publishing')
  await ask(second)
  await ask(third)
  await published('the waking')
  t.ok(second.lines.some(({ event }) => event === 'log.retrying'))

  const { rows } = await superuser.query<{ published: string; sizes: string }>(
    `select count(*) as published, count(distinct size) as sizes from chartwarden_log.checkpoints where clinic = 'north'`,
  )
  t.equal(rows[0]?.published, rows[0]?.sizes)
})
