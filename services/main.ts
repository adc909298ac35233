/** Runs the service as a process: configuration from the environment, and a drain on the first signal. */
import { type Service, startService } from './compose.ts'
import { systemClock } from './kernel/clock.ts'
import { type Config, type Environment, readConfig } from './kernel/config.ts'
import { systemRandomness } from './kernel/ids.ts'
import { createLogger } from './kernel/logging.ts'
import { StartError } from './kernel/start-error.ts'

export interface RunHooks {
  /** Called once the service is ready, e.g. to set up the demo clinic. A fault of it stops the service. */
  ready?(service: Service, config: Config): Promise<void>
}

const signals = ['SIGTERM', 'SIGINT'] as const

/**
 * Runs until SIGTERM or SIGINT, then stops taking calls, finishes what was accepted and closes the database. Resolves when all of that is
 * done. Throws StartError with one clear line when it cannot start, or when it can no longer work.
 */
export const runService = async (environment: Environment, hooks: RunHooks = {}): Promise<void> => {
  const config = readConfig(environment)
  const logger = createLogger({ level: config.logLevel })
  const asked = Promise.withResolvers<string>()
  const ask = (signal: string): void => asked.resolve(signal)
  for (const signal of signals) process.on(signal, ask)
  try {
    const service = await startService({ config, logger, clock: systemClock, randomness: systemRandomness })
    try {
      await hooks.ready?.(service, config)
      const failure = service.failed.then((cause) => {
        throw new StartError('The embedded database does not start any more; see the log before this line.', { cause })
      })
      const signal = await Promise.race([asked.promise, failure])
      logger.info({ event: 'service.stopping', signal }, 'stopping: no new calls, finishing what was accepted')
    } finally {
      await service.stop()
    }
    logger.info({ event: 'service.stopped' }, 'stopped')
  } finally {
    for (const signal of signals) process.off(signal, ask)
  }
}
