import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import { StartError } from '../start-error.ts'
import type { Postmaster, PostmasterExit } from './postmaster.ts'

/** The server ended without being asked: it is started again on the same port, or that failed for good. */
export type ServerExit =
  | ({ readonly kind: 'restarting' } & PostmasterExit)
  | { readonly kind: 'restarted'; readonly pid: number }
  | { readonly kind: 'failed'; readonly error: unknown }

export interface SupervisorOptions {
  /** The server that runs now. */
  readonly first: Postmaster
  /** Starts the next one; a rejection is final. */
  readonly restart: () => Promise<Postmaster>
  readonly logger: Logger
  readonly clock: Clock
}

export interface Supervisor {
  /** Of the server that runs now; undefined while it is being started again and once it is stopped. */
  readonly pid: number | undefined
  /** Tells of every exit that `stop` did not ask for. Returns what ends the telling. */
  onExit(listener: (exit: ServerExit) => void): () => void
  /** Stops the server, also one that is just being started. Safe to call twice. */
  stop(): Promise<void>
}

/** An exit that comes sooner than this after a start counts towards giving up; milliseconds. */
const quickExitMs = 10_000
const quickExitsAllowed = 3

/** Keeps a server running: starts it again when it ends by itself, and gives up when it does so again and again. */
export const superviseServer = ({ first, restart, logger, clock }: SupervisorOptions): Supervisor => {
  const listeners = new Set<(exit: ServerExit) => void>()
  const tell = (exit: ServerExit): void => {
    for (const listener of listeners) listener(exit)
  }
  let current: Postmaster | undefined = first
  let stopping = false
  let quickExits = 0

  const startAgain = async (exit: PostmasterExit, ranMs: number): Promise<void> => {
    logger.error({ event: 'postgres.exited', ...exit }, 'embedded Postgres ended by itself; starting it again')
    tell({ kind: 'restarting', ...exit })
    quickExits = ranMs < quickExitMs ? quickExits + 1 : 0
    try {
      if (quickExits > quickExitsAllowed) throw new StartError('Embedded Postgres ended again and again right after its start.')
      current = await restart()
      if (!stopping) tell({ kind: 'restarted', pid: current.pid })
    } catch (error) {
      logger.fatal({ event: 'postgres.failed', err: error }, 'embedded Postgres cannot be started again')
      if (!stopping) tell({ kind: 'failed', error })
    }
  }

  const supervise = async (): Promise<void> => {
    while (current !== undefined) {
      const startedAt = clock.monotonic()
      const exit = await current.exited
      current = undefined
      if (!stopping) await startAgain(exit, clock.monotonic() - startedAt)
      if (stopping) await (current as Postmaster | undefined)?.stop()
    }
  }
  const supervision = supervise()

  const stop = async (): Promise<void> => {
    stopping = true
    await current?.stop()
    await supervision
  }
  let stopped: Promise<void> | undefined
  return {
    get pid() {
      return current?.pid
    },
    onExit: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}
