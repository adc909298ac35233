import { type Kysely, sql } from 'kysely'
import type { Pool } from 'pg'
import type { Clock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { onPool, type ProjectionDatabase, type ProjectionTransaction } from '../database.ts'

/** Reads one clinic's read models. */
export interface ReportReader {
  /**
   * Runs the work on one snapshot in which row security shows this clinic's rows and no others. Throws DEADLINE_EXCEEDED when the deadline (a
   * reading of the monotonic clock, in milliseconds) passes, LEDGER_UNAVAILABLE when the database cannot answer.
   */
  read<Result>(clinic: string, deadline: number, work: (transaction: ProjectionTransaction) => Promise<Result>): Promise<Result>
}

/** Whatever takes longer than this is stopped even where the caller would wait; milliseconds. */
const longestStatement = 60_000

const codeOf = (thrown: unknown): string => String((thrown as { readonly code?: unknown } | undefined)?.code ?? '')

/** Statements that were cancelled (57014), and connections that failed: no code, a system error, or SQLSTATE classes 08, 53 and 57. */
const asCatalogueError = (thrown: unknown): unknown => {
  if (thrown instanceof ChartwardenError) return thrown
  const code = codeOf(thrown)
  if (code === '57014') return new ChartwardenError('DEADLINE_EXCEEDED', { cause: thrown })
  if (
    /^(08|53|57)...$/.test(code) ||
    /^E[A-Z]+$/.test(code) ||
    (thrown instanceof Error && code === '' && /connect/i.test(thrown.message))
  ) {
    return new ChartwardenError('LEDGER_UNAVAILABLE', { message: 'The reports cannot be read now; call again.', cause: thrown })
  }
  return new ChartwardenError('INTERNAL', { cause: thrown })
}

/** A reader on a pool of the query role. */
export const createReportReader = ({ pool, clock }: { readonly pool: Pool; readonly clock: Clock }): ReportReader => {
  const db: Kysely<ProjectionDatabase> = onPool(pool)
  return {
    read: async (clinic, deadline, work) => {
      const remaining = Math.min(Math.floor(deadline - clock.monotonic()), longestStatement)
      if (remaining <= 0) throw new ChartwardenError('DEADLINE_EXCEEDED')
      try {
        return await db
          .transaction()
          .setIsolationLevel('repeatable read')
          .setAccessMode('read only')
          .execute(async (transaction) => {
            await sql`select set_config('chartwarden.clinic', ${clinic}, true), set_config('statement_timeout', ${String(remaining)}, true)`.execute(
              transaction,
            )
            return work(transaction)
          })
      } catch (thrown) {
        throw asCatalogueError(thrown)
      }
    },
  }
}

/** To which revision the clinic's read models are complete in this snapshot; undefined before the first entry. */
export const readProgress = async (transaction: ProjectionTransaction, clinic: string): Promise<bigint | undefined> => {
  const row = await transaction
    .selectFrom('chartwarden_projections.progress')
    .select('complete_to_revision')
    .where('clinic', '=', clinic)
    .executeTakeFirst()
  return row === undefined ? undefined : BigInt(row.complete_to_revision)
}
