/** The service as a process of its own, as an operator runs it. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import type { Environment } from '../../services/kernel/config.ts'

export interface ServiceProcess {
  readonly pid: number
  readonly address: string
  readonly httpAddress: string
  /** Where `/metrics` answers, if the environment says so. */
  readonly metricsAddress: string
  /** What it has logged so far, a line each. */
  readonly lines: readonly Readonly<Record<string, unknown>>[]
  /** Signals it and waits until it has ended; resolves with its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

const root = path.resolve(import.meta.dirname, '../..')

/** Starts `chartwarden serve` and waits until it is ready; it ends with the test at the latest. */
export const startServiceProcess = async (test: Test, environment: Environment): Promise<ServiceProcess> => {
  // That it is ready is said at level info.
  const { CHARTWARDEN_LOG_LEVEL: asked } = environment
  const level = asked === 'debug' || asked === 'trace' ? asked : 'info'
  const child = spawn(process.execPath, [path.join(root, 'cli/launch.js'), 'serve'], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment, CHARTWARDEN_LOG_LEVEL: level } as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: Record<string, unknown>[] = []
  const plain: string[] = []
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  const ready = new Promise<Record<string, unknown>>((resolve, reject) => {
    createInterface(child.stdout).on('line', (text) => {
      if (!text.startsWith('{')) return void plain.push(text)
      const line = JSON.parse(text) as Record<string, unknown>
      lines.push(line)
      if (line.event === 'service.ready') resolve(line)
    })
    createInterface(child.stderr).on('line', (text) => void plain.push(text))
    void ended.then((code) => reject(new Error(`the service ended with ${code} before it was ready: ${plain.join('\n')}`)))
  })
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    return ended
  }
  test.teardown(() => stop('SIGKILL'))
  const line = await ready
  return {
    pid: child.pid as number,
    address: `127.0.0.1:${line.grpcPort}`,
    httpAddress: `http://127.0.0.1:${line.httpPort}`,
    metricsAddress: `http://127.0.0.1:${line.metricsPort}`,
    lines,
    stop,
  }
}
