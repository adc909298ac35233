/** The JavaScript of the guide to observing runs as it is printed, against a service that has decided something. */
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import type { Ledger } from '../services/audit/ledger.ts'
import { ChartwardenError } from '../services/kernel/errors.ts'
import { clientsOf, hire, registerTestClinic } from './support/clinic.ts'
import { danaAsks } from './support/clinic-process.ts'
import { fault } from './support/fault.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService, type TestServiceOptions } from './support/service.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/observe.md')

const run = async (t: Test, options: Pick<TestServiceOptions, 'decorateLedger'>) => {
  const service = await startTestService(t, {
    database: await createTestDatabase(t),
    environment: { CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0' },
    ...options,
  })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  const example = path.join(t.testdir(), 'example.mjs')
  const [, code] = /```js\n([\s\S]*?)```/.exec(readFileSync(page, 'utf8')) ?? []
  writeFileSync(example, code ?? '')
  const url = `http://127.0.0.1:${service.metricsPort}/metrics`
  return {
    clients,
    metrics: async () => (await fetch(url)).text(),
    follow: async () => (await promisify(execFile)(process.execPath, [example], { env: { METRICS_URL: url } })).stdout,
    check: () => clients.access.check({ ...danaAsks(), clinic: 'north' }),
  }
}

t.test('somebody reads the metrics of a service that works', async (t) => {
  const { clients, check, follow } = await run(t, {})
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'dana')
  await Promise.all([check(), check(), check()])
  t.match(
    await follow(),
    /ready: true\nledger answers: true\ndecisions: 3\nerrors instead of decisions: 0\nentries waiting for the ledger: 0\nentries parked: 0\n/,
  )
})

t.test('somebody reads the metrics of a service whose ledger does not answer', async (t) => {
  let down = false
  const whileUp = async <Answer>(call: () => Promise<Answer>): Promise<Answer> => {
    if (down) throw new ChartwardenError('LEDGER_UNAVAILABLE')
    return call()
  }
  const decorateLedger = (ledger: Ledger): Ledger => ({
    ...ledger,
    append: (append) => whileUp(() => ledger.append(append)),
    time: () => whileUp(() => ledger.time()),
  })
  const { clients, check, follow, metrics } = await run(t, { decorateLedger })
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'dana')
  down = true
  await t.rejects(check(), fault('LEDGER_UNAVAILABLE'))
  t.match(await follow(), /ready: false\nledger answers: false\ndecisions: 0\nerrors instead of decisions: 1\n/)
  t.match(await metrics(), /^chartwarden_check_failures_total\{reason="LEDGER_UNAVAILABLE"\} 1$/m)
  down = false
  await check()
  t.match(await follow(), /ready: true\nledger answers: true\ndecisions: 1\n/, 'twin: with the ledger back it says so')
})
