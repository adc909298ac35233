/**
 * A service reduced to its embedded database, run by embedded-service.ts as a process of its own: `node embedded-process.ts <state directory>`.
 * Writes one JSON line for each thing that happens. SIGTERM drains (it runs a statement) and stops; losing its input means that the test is
 * gone, and ends it at once.
 */
import { writeSync } from 'node:fs'
import pg from 'pg'
import { pino } from 'pino'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { startEmbeddedPostgres } from '../../services/kernel/postgres/embedded.ts'
import { StartError } from '../../services/kernel/start-error.ts'

const say = (event: Record<string, unknown>): void => {
  writeSync(1, `${JSON.stringify(event)}\n`)
}

process.stdin.resume()
process.stdin.once('close', () => process.exit(9))

const [stateDir] = process.argv.slice(2) as [string]
const logger = pino(
  { level: 'debug' },
  { write: (line: string) => say({ event: 'log', ...JSON.parse(line), logEvent: JSON.parse(line).event }) },
)

try {
  const embedded = await startEmbeddedPostgres({ stateDir, logger, clock: systemClock, randomness: systemRandomness })
  embedded.onExit((exit) => say({ ...exit, event: exit.kind, error: exit.kind === 'failed' ? String(exit.error) : undefined }))
  process.on('SIGTERM', async () => {
    const client = new pg.Client({ connectionString: embedded.urls.writer })
    await client.connect()
    const { rows } = await client.query('select 1 as alive')
    await client.end()
    say({ event: 'drained', alive: rows[0].alive })
    await embedded.stop()
    say({ event: 'stopped' })
    process.exit(0)
  })
  say({ event: 'ready', pid: embedded.pid, port: embedded.port, adminUrl: embedded.adminUrl, urls: embedded.urls })
} catch (thrown) {
  say({ event: 'refused', startError: thrown instanceof StartError, message: (thrown as Error).message })
  process.exit(1)
}
