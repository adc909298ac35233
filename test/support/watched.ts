import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Watch {
  /** Clears up now and waits for it. */
  clear(): Promise<void>
}

/**
 * A process that ends the Postgres server on a data directory and removes the scratch directory around it as soon as this process has ended,
 * however it did. It does not keep this process alive.
 */
export const watchScratch = (dataDirectory: string, scratch: string): Watch => {
  const script = fileURLToPath(new URL('postgres-watchdog.ts', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, ['--no-warnings', script, dataDirectory, scratch], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
    env: {},
  })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
  return {
    clear: async () => {
      child.ref()
      child.stdin?.end()
      await gone
    },
  }
}
