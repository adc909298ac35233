/**
 * Hears of new entries by LISTEN on one connection of its own. That connection is a convenience: while it is lost, readers find the entries
 * by polling, and it is sought again.
 */
import type { Pool, PoolClient } from 'pg'

export interface WakeUpOptions {
  readonly pool: Pool
  readonly channel: string
  /** Called for every notification with what it says, and without whenever one may have been missed. */
  readonly onWake: (payload?: string) => void
  /** Milliseconds before a lost connection is sought again. */
  readonly retryMs: number
}

export interface WakeUp {
  /** Starts listening, once; later calls do nothing. */
  start(): void
  close(): Promise<void>
}

export const createWakeUp = ({ pool, channel, onWake, retryMs }: WakeUpOptions): WakeUp => {
  const closing = new AbortController()
  let running: Promise<void> | undefined

  /** Resolves when the connection is lost or the wake-up closed. */
  const listen = async (client: PoolClient): Promise<void> => {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    client.on('notification', ({ payload }) => onWake(payload))
    client.once('error', () => end())
    client.once('end', () => end())
    closing.signal.addEventListener('abort', () => end(), { once: true })
    if (closing.signal.aborted) return
    await client.query(`listen ${channel}`)
    onWake()
    await ended
  }

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, retryMs)
      closing.signal.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    })

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        const client = await pool.connect()
        try {
          await listen(client)
        } finally {
          client.removeAllListeners('notification')
          client.release(true)
        }
      } catch {
        // The readers poll meanwhile, and tell of the fault if it is theirs as well.
      }
      if (!closing.signal.aborted) await pause()
    }
  }

  return {
    start() {
      running ??= run()
    },
    async close() {
      closing.abort()
      await running
    },
  }
}
