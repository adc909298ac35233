import type { Pool, PoolClient } from 'pg'
import { ChartwardenError } from '../errors.ts'
import { pause } from '../pause.ts'
import { cancelStatement } from './cancel-statement.ts'

/** Milliseconds between two requests to end a statement. */
const cancelAgain = 500

/** Ends what the connection runs, for as long as `over` has not aborted. */
const keepCancelling = async (client: PoolClient, over: AbortSignal): Promise<void> => {
  while (!over.aborted) {
    await cancelStatement(client)
    await pause(cancelAgain, over)
  }
}

/**
 * Lends a connection of the pool to the work. When the signal aborts, the statement under way is ended by the server, the work gets no other
 * one through, and CALL_CANCELLED is thrown once it has settled: nothing goes on for a caller who has gone. The connection goes back to the
 * pool only when the work succeeded; it may be in a transaction otherwise, or about to have a statement cancelled.
 */
export const lendConnection = async <Result>(
  pool: Pool,
  signal: AbortSignal | undefined,
  work: (client: Pick<PoolClient, 'query'>) => Promise<Result>,
): Promise<Result> => {
  if (signal?.aborted) throw new ChartwardenError('CALL_CANCELLED')
  const client = await pool.connect()
  const over = new AbortController()
  let cancelling: Promise<void> | undefined
  const cancel = (): void => {
    cancelling = keepCancelling(client, over.signal)
  }
  const query = ((...statement: Parameters<PoolClient['query']>) => {
    if (signal?.aborted) throw new ChartwardenError('CALL_CANCELLED')
    return client.query(...statement)
  }) as PoolClient['query']
  let whole = false
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    if (signal?.aborted) throw new ChartwardenError('CALL_CANCELLED')
    const result = await work({ query })
    whole = cancelling === undefined
    return result
  } catch (cause) {
    throw signal?.aborted ? new ChartwardenError('CALL_CANCELLED', { cause }) : cause
  } finally {
    signal?.removeEventListener('abort', cancel)
    over.abort()
    client.release(!whole)
    // The request under way names this connection alone, which serves nobody else any more.
    await cancelling
  }
}
