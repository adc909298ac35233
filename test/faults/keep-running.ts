/** What a service manager does: starts a server, and starts it again whenever it has ended. */
import { setTimeout as delay } from 'node:timers/promises'

/** A server in a process of its own. */
export interface Startable {
  /** Settles when it has ended, however that came about. */
  readonly ended: Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface Kept<Server extends Startable> {
  /** The server that runs now; waits for one that is being started. */
  up(): Promise<Server>
  /** Starts so far, those that failed among them. */
  readonly starts: number
  /** Lets go of it and ends it. */
  close(): Promise<void>
}

const restartMs = 200

/** Rejects if the first start fails. Later ones that do are tried again. */
export const keepRunning = async <Server extends Startable>(start: () => Promise<Server>): Promise<Kept<Server>> => {
  let current: Server | undefined = await start()
  let next = Promise.withResolvers<Server>()
  let closing = false
  let starts = 1
  next.resolve(current)
  const keep = async (): Promise<void> => {
    while (!closing) {
      if (current === undefined) {
        await delay(restartMs)
        starts += 1
        current = await start().catch(() => undefined)
        if (current === undefined) continue
        next.resolve(current)
      }
      // Closed while it started.
      if (closing) await current.stop()
      await current.ended
      current = undefined
      next = Promise.withResolvers<Server>()
    }
  }
  const keeping = keep()
  return {
    up: () => next.promise,
    get starts() {
      return starts
    },
    close: async () => {
      closing = true
      await current?.stop()
      await keeping
    },
  }
}
