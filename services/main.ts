/** Runs the service as a process: configuration from the environment, and a drain on the first signal. */
import { type Service, startService } from './compose.ts'
import { systemClock } from './kernel/clock.ts'
import { type Config, type Environment, readConfig } from './kernel/config.ts'
import { systemRandomness } from './kernel/ids.ts'
import { createLogger } from './kernel/logging.ts'
import { readSecretFiles } from './kernel/secret-files.ts'
import { StartError } from './kernel/start-error.ts'
import { startWithWorkers, wantedWorkers } from './workers/start-with-workers.ts'

export interface RunHooks {
  /** Called once the service is ready, e.g. to set up the demo clinic. A fault of it stops the service. */
  ready?(service: Service, config: Config): Promise<void>
}

/** SIGBREAK: Ctrl-Break, and the closing of the console on Windows; no other system sends it. */
const signals = ['SIGTERM', 'SIGINT', ...(process.platform === 'win32' ? (['SIGBREAK'] as const) : [])] as const

/**
 * Runs until SIGTERM or SIGINT (SIGBREAK too on Windows), then stops taking calls, finishes what was accepted and closes the database. Resolves when all of that is
 * done. Throws StartError with one clear line when it cannot start, or when it can no longer work.
 */
export const runService = async (environment: Environment, hooks: RunHooks = {}): Promise<void> => {
  const config = readConfig(readSecretFiles(environment))
  const logger = createLogger({ level: config.logLevel })
  const asked = Promise.withResolvers<string>()
  const ask = (signal: string): void => asked.resolve(signal)
  for (const signal of signals) process.on(signal, ask)
  try {
    const options = { config, logger, clock: systemClock, randomness: systemRandomness }
    const service = wantedWorkers(config) > 1 ? await startWithWorkers({ ...options, environment }) : await startService(options)
    const reload = (): void => void service.reload()
    // Without TLS it keeps its meaning, and always on Windows: that the terminal closes.
    if (config.tls !== undefined && process.platform !== 'win32') process.on('SIGHUP', reload)
    try {
      await hooks.ready?.(service, config)
      const failure = service.failed.then((cause) => {
        throw new StartError('The embedded database does not start any more; see the log before this line.', { cause, mayPass: true })
      })
      const signal = await Promise.race([asked.promise, failure])
      logger.info({ event: 'service.stopping', signal }, 'stopping: no new calls, finishing what was accepted')
    } finally {
      process.off('SIGHUP', reload)
      await service.stop()
    }
    logger.info({ event: 'service.stopped' }, 'stopped')
  } finally {
    for (const signal of signals) process.off(signal, ask)
  }
}
