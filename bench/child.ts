import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A server of the benchmark in a process of its own, ready to be called. */
export interface BenchServer {
  readonly address: string
  stop(): Promise<void>
}

/** Starts a Node program that logs `{ event: 'service.ready', grpcPort }` and waits for that line. */
export const startServer = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<BenchServer> =>
  new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(process.execPath, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise<void>((done) => child.once('close', () => done()))
    void ended.then(() => reject(new Error(`${args.join(' ')} ended before it was ready`)))
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', (text) => {
      if (!text.startsWith('{')) return
      const line = JSON.parse(text) as { readonly event?: string; readonly grpcPort?: number }
      if (line.event !== 'service.ready') return
      resolve({
        address: `127.0.0.1:${line.grpcPort}`,
        stop: async () => {
          child.kill('SIGTERM')
          await ended
        },
      })
    })
  })
