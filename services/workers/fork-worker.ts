/**
 * Workers by `node:cluster`: this process listens for all of them and hands each new connection to the worker that has been free for longest;
 * one that has not taken its last connection yet is passed over, so turns are not strict. Callers of gRPC keep few connections for long, which a
 * choice by chance, as the system makes it between processes that listen themselves, would spread badly.
 */
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { Environment } from '../kernel/config.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import type { Fork } from './worker-process.ts'

/** Once per process. A worker whose starter is gone, in whatever way, ends at once: cluster sees to that. */
export const createFork = (environment: Environment): Fork => {
  cluster.schedulingPolicy = cluster.SCHED_RR
  cluster.setupPrimary({ exec: fileURLToPath(new URL('./worker.ts', import.meta.url)), args: [] })
  return () => {
    const worker = cluster.fork(environment)
    const { process: child } = worker
    child.on('error', () => undefined)
    return {
      pid: child.pid,
      send: (message: ToWorker) => {
        if (worker.isConnected()) worker.send(message, () => undefined)
      },
      onMessage: (listener) => void worker.on('message', (message: FromWorker) => listener(message)),
      onExit: (listener) => {
        if (child.pid === undefined) setImmediate(listener, { code: null, signal: null })
        else child.once('exit', (code, signal) => listener({ code, signal }))
      },
      kill: () => void child.kill('SIGKILL'),
    }
  }
}
