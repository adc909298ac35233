import { sql } from 'kysely'
import type { ProjectionTransaction } from '../database.ts'

/**
 * For the rest of the transaction, memory to count in by hashing: with the server's default of 4 MB a million accesses would be sorted on disk
 * instead. What does not fit goes to disk all the same. One query uses at most twice this, and there are as many as the pool has connections.
 */
export const allowCountingMemory = async (transaction: ProjectionTransaction): Promise<void> => {
  await sql`select set_config('work_mem', '64MB', true)`.execute(transaction)
}
