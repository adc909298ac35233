import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { DatabaseUrls } from '../../services/kernel/config.ts'
import { locateBinaries } from '../../services/kernel/postgres/binaries.ts'
import { binariesFor, serverAccount } from '../../services/kernel/postgres/server-account.ts'
import { copyDirectory, dataDirectoryTemplate } from './postgres-server.ts'
import { watchScratch } from './watched.ts'

/** What the process says; see embedded-process.ts. */
export interface ServiceEvent {
  readonly event: string
  readonly [name: string]: unknown
}

export interface Ready {
  readonly pid: number
  readonly port: number
  readonly adminUrl: string
  readonly urls: DatabaseUrls
}

export interface EmbeddedService {
  readonly pid: number
  readonly events: readonly ServiceEvent[]
  /** The next event of this kind that nobody has waited for yet. Rejects when the process ends first. */
  next(kind: string): Promise<ServiceEvent>
  /** The event `ready`; rejects with the refusal. */
  ready(): Promise<Ready>
  /** The process has ended and everything it said is in `events`. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  /** To the process, or to its whole group. */
  kill(signal: NodeJS.Signals, target?: 'process' | 'group'): void
}

export interface Account {
  readonly uid: number
  readonly gid: number
}

export interface StateDirectory {
  /** Removed with whatever runs in it when the test ends. */
  readonly stateDir: string
  readonly dataDirectory: string
}

/** A state directory that does not exist yet, in a scratch directory only its owner can enter. */
export const newStateDirectory = (test: Test, options: { readonly account?: Account; readonly name?: string } = {}): StateDirectory => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-test-'))
  if (options.account !== undefined) chownSync(scratch, options.account.uid, options.account.gid)
  const stateDir = path.join(scratch, options.name ?? 'state')
  const dataDirectory = path.join(stateDir, 'postgres', 'data')
  const watch = watchScratch(dataDirectory, scratch)
  test.teardown(() => watch.clear())
  return { stateDir, dataDirectory }
}

/** One that a first start has already made, without the second that takes. */
export const usedStateDirectory = async (test: Test): Promise<StateDirectory> => {
  const directory = newStateDirectory(test)
  const account = serverAccount(directory.dataDirectory)
  const template = await dataDirectoryTemplate(await binariesFor(locateBinaries(), account), account)
  mkdirSync(path.dirname(directory.dataDirectory), { recursive: true, mode: 0o700 })
  writeFileSync(path.join(directory.stateDir, 'postgres.password'), `${template.password}\n`, { mode: 0o600 })
  copyDirectory(template.directory, directory.dataDirectory)
  return directory
}

const script = fileURLToPath(new URL('embedded-process.ts', import.meta.url))

/** Starts the process. It is killed when the test ends, before its state directory is cleared. */
export const startService = (test: Test, stateDir: string, options: { readonly account?: Account } = {}): EmbeddedService => {
  const child = spawn(process.execPath, ['--no-warnings', script, stateDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // A group of its own, as a shell or a service manager gives it.
    detached: true,
    cwd: '/',
    // Not the test runner's hooks, which write where this account may not.
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    ...options.account,
  })
  const events: ServiceEvent[] = []
  const taken = new Set<ServiceEvent>()
  let waiting: (() => void)[] = []
  const wake = (): void => {
    const woken = waiting
    waiting = []
    for (const resolve of woken) resolve()
  }
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(JSON.parse(line) as ServiceEvent)
    wake()
  })
  let over = false
  const ended = once(child, 'close').then(([code, signal]) => {
    over = true
    wake()
    return { code: code as number | null, signal: signal as NodeJS.Signals | null }
  })
  test.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })

  const next = async (kind: string): Promise<ServiceEvent> => {
    for (;;) {
      const found = events.find((event) => event.event === kind && !taken.has(event))
      if (found !== undefined) {
        taken.add(found)
        return found
      }
      if (over) throw new Error(`the process ended without "${kind}": ${JSON.stringify(events.slice(-5))}`)
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }
  return {
    pid: child.pid as number,
    events,
    next,
    ready: async () => (await next('ready')) as unknown as Ready,
    ended,
    kill: (signal, target = 'process') => {
      process.kill(target === 'group' ? -(child.pid as number) : (child.pid as number), signal)
    },
  }
}
