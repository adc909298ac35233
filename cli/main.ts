import { writeSync } from 'node:fs'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { endWithLauncher } from './end-with-launcher.ts'
import { exitCodes } from './exit-codes.ts'
import { type Failure, failureJson, failureText } from './failure.ts'
import type { Io } from './io.ts'
import { runCommandLine } from './program.ts'

// grpc-js names the server of every TLS connection, also one that is an IP address, and Node says each time that it ignores that (DEP0123).
// Whoever runs a command can mend no library; who traces deprecations still sees them, and so does whoever runs the service.
if (process.traceDeprecation !== true && !process.argv.includes('serve')) process.noDeprecation = true

endWithLauncher()

// `chartwarden report … | head` closes the pipe early; that is the reader's choice and no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok.code)
  const failure: Failure = {
    reason: 'INCOMPLETE',
    message: `The output cannot be written (${error.code ?? error.message}); what was printed is not everything.`,
    fields: [],
    outcome: 'incomplete',
  }
  try {
    // At once, since the process ends here.
    writeSync(process.stderr.fd, process.argv.includes('--json') ? failureJson(failure) : failureText(failure))
  } catch {
    // Nobody can be told but by the exit code.
  }
  process.exit(exitCodes[failure.outcome].code)
})

// A reader of messages that went away changes nothing about the work.
process.stderr.on('error', () => {})

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
