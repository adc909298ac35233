/**
 * A worker as a process: it answers calls and does nothing else. It obeys the process that started it alone, which is told of signals and stops
 * its workers in order; a terminal or a service manager may send them to every process of the group.
 */
import { startPart } from '../compose.ts'
import { systemClock } from '../kernel/clock.ts'
import { readConfig } from '../kernel/config.ts'
import { systemRandomness } from '../kernel/ids.ts'
import { createLogger } from '../kernel/logging.ts'
import { readSecretFiles } from '../kernel/secret-files.ts'
import { StartError } from '../kernel/start-error.ts'
import type { FromWorker, ToWorker, WorkerOrder } from './messages.ts'

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGBREAK'] as const) process.on(signal, () => undefined)

/** Resolves once it is handed over to the channel, so that a process that ends afterwards has said it. */
const tell = (message: FromWorker): Promise<void> =>
  new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()))

const ordered = Promise.withResolvers<WorkerOrder>()
const asked = Promise.withResolvers<void>()
let metrics: (() => Promise<string>) | undefined
let reload = async (): Promise<void> => undefined

const tellMetrics = async (request: number): Promise<void> => {
  const text = await metrics?.().catch(() => undefined)
  await tell({ kind: 'metrics', request, text })
}

process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'start':
      ordered.resolve(message.order)
      break
    case 'reload_tls':
      void reload()
      break
    case 'tell_metrics':
      void tellMetrics(message.request)
      break
    case 'ping':
      void tell({ kind: 'pong' })
      break
    case 'stop':
      asked.resolve()
      break
    default:
      message satisfies never
  }
})

const work = async ({ worker, workers, databaseUrls }: WorkerOrder): Promise<void> => {
  const config = readConfig(readSecretFiles(process.env))
  const urls = databaseUrls ?? config.databaseUrls
  const part = await startPart({
    // The schema is brought up to date by the process that starts the workers.
    config: { ...config, databaseUrls: urls === undefined ? undefined : { ...urls, migrate: undefined } },
    part: 'answers',
    workers,
    logger: createLogger({ level: config.logLevel }).child({ worker }),
    clock: systemClock,
    randomness: systemRandomness,
  })
  metrics = part.metrics
  reload = part.reload
  if (part.doors !== undefined) {
    const { grpcPort, httpPort, serving } = part.doors
    await tell({ kind: 'listening', ports: { grpcPort, httpPort } })
    void serving.then(() => tell({ kind: 'serving' }))
  }
  await asked.promise
  await part.stop()
}

try {
  await tell({ kind: 'hello' })
  const order = await Promise.race([ordered.promise, asked.promise])
  if (order !== undefined) await work(order)
  process.exit(0)
} catch (thrown) {
  if (thrown instanceof StartError) await tell({ kind: 'refused', message: thrown.message, mayPass: thrown.mayPass })
  else createLogger({ level: 'error' }).fatal({ event: 'worker.failed', err: thrown }, 'a worker failed')
  process.exit(1)
}
