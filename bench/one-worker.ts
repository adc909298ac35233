/** The service with one process that answers and one for everything else, which no configuration asks for: for `cores.ts`. */
import { systemClock } from '../services/kernel/clock.ts'
import { readConfig } from '../services/kernel/config.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { createLogger } from '../services/kernel/logging.ts'
import { startWithWorkers } from '../services/workers/start-with-workers.ts'

const config = readConfig(process.env)
const service = await startWithWorkers({
  config,
  logger: createLogger({ level: config.logLevel }),
  clock: systemClock,
  randomness: systemRandomness,
  environment: process.env,
  workers: 1,
})
process.once('SIGTERM', () => {
  void service.stop()
})
