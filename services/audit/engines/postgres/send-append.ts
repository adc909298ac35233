/** Sends the statement that appends, and keeps apart what a fault says of it: that nothing was stored, or that this is not known. */
import pg from 'pg'
import { ChartwardenError } from '../../../kernel/errors.ts'
import type { AppendRow } from './append-statement.ts'
import { unavailable } from './entry-rows.ts'

export interface SendAppend {
  /** Throws LEDGER_UNAVAILABLE or LEDGER_REGRESSED, with the driver's fault as its cause. */
  send(statement: pg.QueryConfig): Promise<readonly AppendRow[]>
  /** Whether it was never sent, or the server said that it was rolled back. */
  storedNothing(fault: unknown): boolean
}

/**
 * SQLSTATE classes (PostgreSQL, appendix A) of what may also come between a commit and its answer: a connection lost, an operator's
 * intervention (a shutdown, a statement cancelled), an internal fault; and the one that says so itself. An error of any other class is the
 * statement's own, and rolls it back.
 */
const sayNothing = /^(?:08|57|XX|40003)/

const rolledBack = (cause: unknown): boolean =>
  cause instanceof pg.DatabaseError && cause.code !== undefined && !sayNothing.test(cause.code)

export const createSendAppend = (writer: pg.Pool): SendAppend => {
  const unsent = new WeakSet<ChartwardenError>()

  const connect = async (): Promise<pg.PoolClient> => {
    try {
      return await writer.connect()
    } catch (cause) {
      const fault = unavailable(cause)
      unsent.add(fault)
      throw fault
    }
  }

  return {
    async send(statement) {
      const client = await connect()
      // The statement fails with the connection; without a listener the connection's own event would end the process.
      const ignore = (): void => {}
      client.once('error', ignore)
      try {
        const { rows } = await client.query<AppendRow>(statement)
        client.off('error', ignore)
        client.release()
        return rows
      } catch (cause) {
        client.release(true)
        throw unavailable(cause)
      }
    },
    storedNothing: (fault) => fault instanceof ChartwardenError && (unsent.has(fault) || rolledBack(fault.cause)),
  }
}
