/** Runs a command as an account that owns nothing, where the tests run as root, and as the tests' own account elsewhere. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { Test } from 'tap'
import type { Environment } from '../../services/kernel/config.ts'

export interface RanAsNobody {
  readonly child: ChildProcess
  /** The line of the log that says the service is ready. Rejects with what was said when it ends before. */
  ready(): Promise<Readonly<Record<string, unknown>>>
  /** So far. */
  said(): string
  /** Exit code and everything it said. */
  readonly ended: Promise<{ readonly code: number | null; readonly said: string }>
}

/** An account without a name; containers run as it. */
const nobody = process.getuid?.() === 0 ? { uid: 10_001, gid: 10_001 } : {}

export interface CommandToRun {
  readonly program: string
  readonly arguments: readonly string[]
  readonly cwd: string
  readonly environment: Environment
  /** Instead of an account of no name. */
  readonly account?: { readonly uid: number; readonly gid: number }
}

/** Starts it; it is killed when the test ends. */
export const runAsNobody = (test: Test, command: CommandToRun): RanAsNobody => {
  const child = spawn(command.program, command.arguments, {
    cwd: command.cwd,
    env: command.environment as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...nobody,
    ...(process.getuid?.() === 0 ? command.account : {}),
  })
  let said = ''
  const lines: string[] = []
  const waiting = Promise.withResolvers<Readonly<Record<string, unknown>>>()
  waiting.promise.catch(() => {})
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream ?? Readable.from([])).on('line', (line) => {
      said += `${line}\n`
      lines.push(line)
      if (line.includes('"event":"service.ready"')) waiting.resolve(JSON.parse(line))
    })
  }
  const ended = new Promise<{ readonly code: number | null; readonly said: string }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      waiting.reject(new Error(`it ended with ${code} before it was ready: ${said}`))
      resolve({ code, said })
    })
  })
  test.teardown(async () => {
    child.kill('SIGKILL')
    await ended.catch(() => {})
  })
  return { child, ready: () => waiting.promise, said: () => said, ended }
}
