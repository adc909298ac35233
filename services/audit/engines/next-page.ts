/** How a reader of a feed whose positions are gapless numbers waits for what comes. */
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Changes } from './changes.ts'
import { gap } from './postgres/entry-rows.ts'

export interface PageSource {
  readonly changes: Changes
  /** How often a reader that has caught up looks for itself. Milliseconds. */
  readonly pollMs: number
  /** Number of the last entry; 0 when there is none. */
  end(): Promise<bigint>
}

/** What there is after a position; waits if there is nothing. Undefined once stopped. Throws LEDGER_REGRESSED if the log ends before it. */
export const nextPage = async <Row>(
  { changes, pollMs, end }: PageSource,
  last: bigint,
  stop: AbortSignal,
  fetch: () => Promise<readonly Row[]>,
): Promise<readonly Row[] | undefined> => {
  while (!stop.aborted) {
    const mark = changes.mark()
    const found = await end()
    if (found < last) throw new ChartwardenError('LEDGER_REGRESSED')
    if (found > last) {
      const page = await fetch()
      if (page.length === 0) throw gap('position', last + 1n, undefined)
      return page
    }
    await changes.after(mark, pollMs, stop)
  }
  return undefined
}
