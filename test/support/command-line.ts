/** The command line in the test's own process: the same code as `npx chartwarden`, without a process a command. */
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { exitCodes } from '../../cli/exit-codes.ts'
import { runCommandLine } from '../../cli/program.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import type { Environment } from '../../services/kernel/config.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export type Chartwarden = (...argv: readonly string[]) => Promise<Ran>

/** Runs command lines under this environment and no other; `onErr` hears what is told while one runs. */
export const commandLine =
  (environment: Environment, onErr: (told: string) => void = () => {}): Chartwarden =>
  async (...argv) => {
    const out = new PassThrough()
    const err = new PassThrough()
    err.on('data', (told) => onErr(String(told)))
    const texts = Promise.all([text(out), text(err)])
    const outcome = await runCommandLine(argv, {
      environment,
      out,
      err,
      outIsTerminal: false,
      errIsTerminal: false,
      clock: systemClock,
      randomness: systemRandomness,
    })
    out.end()
    err.end()
    const [printed, told] = await texts
    return { code: exitCodes[outcome].code, out: printed, err: told }
  }
