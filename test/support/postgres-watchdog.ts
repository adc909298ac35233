/** Run by watched.ts with a data directory and a scratch directory: waits for its input to close, then ends the server and removes both. */
import { existsSync, rmSync } from 'node:fs'
import { systemClock } from '../../services/kernel/clock.ts'
import { stopLeftovers } from '../../services/kernel/postgres/leftovers.ts'

const [dataDirectory, scratch] = process.argv.slice(2) as [string, string]
process.stdin.resume()
process.stdin.once('close', async () => {
  try {
    if (existsSync(dataDirectory)) await stopLeftovers({ dataDirectory, clock: systemClock, graceMs: 0 })
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
  }
})
