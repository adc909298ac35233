import type { FromWorker, ToWorker } from './messages.ts'

export interface WorkerExit {
  readonly code: number | null
  readonly signal: string | null
}

/** A worker as its starter holds it. */
export interface WorkerProcess {
  readonly pid: number | undefined
  /** Never throws: a worker that is gone is told of by `onExit`. */
  send(message: ToWorker): void
  onMessage(listener: (message: FromWorker) => void): void
  /** Told once, also of a process that could not be started. */
  onExit(listener: (exit: WorkerExit) => void): void
  /** Ends it at once. */
  kill(): void
}

/** Starts one more. */
export type Fork = () => WorkerProcess
