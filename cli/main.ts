import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { endWithLauncher } from './end-with-launcher.ts'
import { exitCodes } from './exit-codes.ts'
import type { Io } from './io.ts'
import { runCommandLine } from './program.ts'

endWithLauncher()

// `chartwarden report … | head` closes the pipe early; that is the reader's choice and no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok.code)
  throw error
})

const io: Io = {
  environment: process.env,
  out: process.stdout,
  err: process.stderr,
  outIsTerminal: process.stdout.isTTY === true,
  errIsTerminal: process.stderr.isTTY === true,
  clock: systemClock,
  randomness: systemRandomness,
}

process.exitCode = exitCodes[await runCommandLine(process.argv.slice(2), io)].code
