/**
 * The service as a process of its own, altered in one respect, configured as `chartwarden serve` is:
 *
 * - `answering-first`: the sabotage that answers before it stores;
 * - `jumping <file>`: its wall clock is off by the milliseconds that the file holds, read anew on SIGUSR2.
 */
import { readFileSync } from 'node:fs'
import { startService } from '../../services/compose.ts'
import { type Clock, systemClock } from '../../services/kernel/clock.ts'
import { readConfig } from '../../services/kernel/config.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { createLogger } from '../../services/kernel/logging.ts'
import { answeringFirst } from '../support/gate.ts'

const [alteration, offsetFile = ''] = process.argv.slice(2)

const jumpingClock = (): Clock => {
  const read = (): number => Number(readFileSync(offsetFile, 'utf8'))
  let offset = read()
  process.on('SIGUSR2', () => {
    offset = read()
  })
  return { ...systemClock, wall: () => systemClock.wall() + offset }
}

const config = readConfig(process.env)
const service = await startService({
  config,
  logger: createLogger({ level: config.logLevel }),
  clock: alteration === 'jumping' ? jumpingClock() : systemClock,
  randomness: systemRandomness,
  ...(alteration === 'answering-first' ? { decorateLedger: answeringFirst } : {}),
})
process.once('SIGTERM', () => void service.stop().then(() => process.exit(0)))
