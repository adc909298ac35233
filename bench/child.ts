import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

type LogLine = Readonly<Record<string, unknown>>

/** A server of the benchmark in a process of its own, ready to be called. */
export interface BenchServer {
  readonly address: string
  readonly pid: number
  /** From its start to its saying that it is ready. */
  readonly readyMs: number
  /** The first line it logged of an event. Throws if there is none. */
  logged(event: string): LogLine
  /** Lines logged as errors. */
  readonly faults: readonly string[]
  /** Settles when it has ended, however that came about. */
  readonly ended: Promise<void>
  /** Signals it, SIGTERM unless told otherwise, and waits until it has ended. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** What this process was told, less what would configure a service. */
const plainEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CHARTWARDEN_|OTEL_|DATABASE_URL$)/.test(name)))

/** Ends the child when this process does, however that comes about. Resolves when the child has ended. */
export const endsWithUs = (child: ChildProcess): Promise<void> => {
  const end = (): void => {
    child.kill('SIGTERM')
  }
  process.once('exit', end)
  return new Promise((resolve) => {
    child.once('close', () => {
      process.off('exit', end)
      resolve()
    })
  })
}

/** pino's number of the level `error`. */
const errorLevel = 50

/** Starts a Node program that logs `{ event: 'service.ready', grpcPort }` and waits for that line. */
export const startServer = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<BenchServer> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const child = spawn(process.execPath, args, {
      env: { ...plainEnvironment(), ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = endsWithUs(child)
    void ended.then(() => reject(new Error(`${args.join(' ')} ended before it was ready`)))
    const firsts = new Map<string, LogLine>()
    const faults: string[] = []
    createInterface(child.stdout).on('line', (text) => {
      if (!text.startsWith('{')) return
      const line = JSON.parse(text) as { readonly event?: string; readonly grpcPort?: number; readonly level?: number }
      if (line.event !== undefined && !firsts.has(line.event)) firsts.set(line.event, { ...line })
      if (Number(line.level) >= errorLevel) faults.push(text)
      if (line.event !== 'service.ready') return
      resolve({
        address: `127.0.0.1:${line.grpcPort}`,
        pid: child.pid as number,
        readyMs: performance.now() - started,
        logged: (event) => {
          const first = firsts.get(event)
          if (first === undefined) throw new Error(`${args.join(' ')} did not log ${event}`)
          return first
        },
        faults,
        ended,
        stop: async (signal = 'SIGTERM') => {
          child.kill(signal)
          await ended
        },
      })
    })
  })

/** Memory of a process in MiB, resident now and at its highest, where the system tells (Linux). */
export const memoryOf = (pid: number): { readonly now: number; readonly highest: number } | undefined => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const mebibytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1_024
    return { now: mebibytes('VmRSS'), highest: mebibytes('VmHWM') }
  } catch {
    return undefined
  }
}
