/** A log that was given up: what was signed of it beyond the entry that says so is lost by the ledger's own record, whatever stands there now. */
import type { Restarted } from './log-events.ts'

/** The entry that gave up what a checkpoint covers; undefined where none did. */
export const restartOf = (
  restarts: readonly Restarted[],
  { origin, size }: { readonly origin: string; readonly size: bigint },
): Restarted | undefined => restarts.find(({ retiredOrigin, revision }) => retiredOrigin === origin && revision < size)

/** The fewest signed entries that were lost with it: others may have been recorded ahead of the entry that says so. */
const lost = ({ signedSize, revision }: Restarted): bigint =>
  /^\d{1,19}$/.test(signedSize) && BigInt(signedSize) > revision ? BigInt(signedSize) - revision : 0n

/** One sentence for people. */
export const givenUpWords = (restart: Restarted): string => {
  const { revision, cause, retiredOrigin, signedSize } = restart
  const count = lost(restart)
  const what =
    count === 0n
      ? `what was signed of it (${signedSize} entries) counts no more`
      : `at least ${count} signed ${count === 1n ? 'entry was' : 'entries were'} lost`
  return `The log ${retiredOrigin} was given up at revision ${revision} (${cause}): ${what}, by the ledger’s own record.`
}
