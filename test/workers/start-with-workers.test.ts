import t, { type Test } from 'tap'
import { startService } from '../../services/compose.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { readConfig } from '../../services/kernel/config.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { startWithWorkers } from '../../services/workers/start-with-workers.ts'
import { logLines } from '../support/log-lines.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, testEnvironment } from '../support/service.ts'

t.setTimeout(280_000)

/** Starts the process of the background, and workers that do nothing; answers how many. */
const startOver = async (t: Test, CHARTWARDEN_WORKERS: string, workers: number) => {
  const environment = { ...testEnvironment(await createTestDatabase(t), scratchDirectory(t, 'over')), CHARTWARDEN_WORKERS }
  const { logger, of } = logLines()
  let forked = 0
  const service = await startWithWorkers({
    config: readConfig(environment),
    environment,
    workers,
    logger,
    clock: systemClock,
    randomness: systemRandomness,
    fork: () => {
      forked += 1
      let end = (): void => undefined
      return {
        pid: undefined,
        send: ({ kind }) => {
          if (kind === 'stop') end()
        },
        onMessage: (listener) => {
          setImmediate(listener, { kind: 'listening', ports: { grpcPort: 1, httpPort: 2 } })
          setImmediate(listener, { kind: 'serving' })
        },
        onExit: (listener) => {
          end = () => listener({ code: 0, signal: null })
        },
        kill: () => undefined,
      }
    },
  })
  await service.stop()
  return { forked, fewer: of('workers.fewer') }
}

t.test('no more workers than the database has connections for: auto takes fewer, a number is refused', async (t) => {
  t.match(await startOver(t, 'auto', 12), { forked: 8, fewer: [{ workers: 8, wanted: 12 }] })
  t.match(await startOver(t, '8', 8), { forked: 8, fewer: { length: 0 } })
  await t.rejects(startOver(t, '9', 9), {
    name: 'StartError',
    message:
      '9 workers may need 107 connections, and the database of DATABASE_URL lets 97 in; set CHARTWARDEN_WORKERS to 8 at most, or raise max_connections.',
  })
})

t.test('a service of one process is as it was: one page of metrics without workers', async (t) => {
  const environment = {
    ...testEnvironment(await createTestDatabase(t), scratchDirectory(t, 'whole')),
    CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0',
  }
  const { logger, of } = logLines()
  const service = await startService({ config: readConfig(environment), logger, clock: systemClock, randomness: systemRandomness })
  t.teardown(() => service.stop())
  const page = await (await fetch(`http://127.0.0.1:${service.metricsPort}/metrics`)).text()
  t.notMatch(page, /worker=|^chartwarden_workers/m)
  t.match(page, /^chartwarden_projection_runner_state\{/m)
  t.equal(of('service.ready').length, 1)
})
