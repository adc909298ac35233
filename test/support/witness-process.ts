/** `chartwarden witness serve` as a process of its own, as an accountant runs it. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

export interface WitnessProcess {
  readonly pid: number
  readonly url: string
  /** Lines for the clinic's policy. */
  readonly policy: readonly string[]
  /** What it has told on stderr so far. */
  readonly told: readonly string[]
  /** Signals it and waits until it has ended; resolves with its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

const launcher = path.resolve(import.meta.dirname, '../../cli/launch.js')

/** Starts it on a free port and waits until it listens; it ends with the test at the latest. Rejects with what it said when it ends before. */
export const startWitnessProcess = async (test: Test, ...argv: readonly string[]): Promise<WitnessProcess> => {
  const child = spawn(process.execPath, [launcher, '--json', 'witness', 'serve', '--listen', '127.0.0.1:0', ...argv], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const told: string[] = []
  createInterface(child.stderr).on('line', (line) => void told.push(line))
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    return ended
  }
  test.teardown(() => stop('SIGKILL'))
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve)
    void ended.then((code) => reject(new Error(`the witness ended with ${code}: ${told.join('\n')}`)))
  })
  const { url, policy } = JSON.parse(line) as { readonly url: string; readonly policy: readonly string[] }
  return { pid: child.pid as number, url, policy, told, stop }
}
