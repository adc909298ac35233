/**
 * Which process seals: the one that holds a session advisory lock, on the very connection it writes with, so that losing the lock and losing
 * the power to write are the same event. The server ends a session that has not been heard of for the length of a lease: a process that is
 * paused, or cut off without a word, gives the lock away and finds its connection gone when it wakes.
 */
import type { Pool } from 'pg'
import type { Connection } from './lend.ts'

export interface SealerLock {
  readonly connection: Connection
  /** Aborts when the connection is lost, and the lock with it. */
  readonly lost: AbortSignal
  /** `clean`: nothing is under way; the connection can be used again. Otherwise it is closed, which gives the lock away as well. */
  release(clean: boolean): Promise<void>
}

export interface SealerLockOptions {
  /** Of the feed role. Through a pooler that shares sessions it would not be safe. */
  readonly pool: Pool
  /** Milliseconds without a word after which the server ends the session. */
  readonly leaseMs: number
}

const lockName = 'chartwarden log sealer'

/** Undefined: another process has it. */
export const takeSealerLock = async ({ pool, leaseMs }: SealerLockOptions): Promise<SealerLock | undefined> => {
  const client = await pool.connect()
  const lost = new AbortController()
  const onLost = (): void => lost.abort()
  client.on('error', onLost).on('end', onLost)
  const giveBack = (clean: boolean): void => {
    if (clean) client.off('error', onLost).off('end', onLost)
    client.release(!clean)
  }
  try {
    const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock(hashtextextended($1, 0)) as locked', [lockName])
    if (rows[0]?.locked !== true) {
      giveBack(true)
      return undefined
    }
    await client.query(`set idle_session_timeout = ${leaseMs}`)
    await client.query(`set idle_in_transaction_session_timeout = ${leaseMs}`)
  } catch (thrown) {
    giveBack(false)
    throw thrown
  }
  const heartbeat = setInterval(() => client.query('select').catch(onLost), leaseMs / 3).unref()
  return {
    connection: client,
    lost: lost.signal,
    release: async (clean) => {
      clearInterval(heartbeat)
      if (!clean || lost.signal.aborted) return giveBack(false)
      try {
        await client.query('reset idle_session_timeout')
        await client.query('reset idle_in_transaction_session_timeout')
        await client.query('select pg_advisory_unlock_all()')
        giveBack(true)
      } catch {
        giveBack(false)
      }
    },
  }
}
