import { setImmediate } from 'node:timers/promises'

/** Events of one part: enough for its statement to pay, few enough for it to be on its way at once. */
const partSize = 500

/**
 * Prepares each part of a batch while the database writes the one before, one statement at a time, in order. Settles when no statement is
 * under way any more; throws what either throws.
 */
export const inParts = async <Event, Statement>(
  events: readonly Event[],
  prepare: (part: readonly Event[]) => Statement,
  write: (statement: Statement) => Promise<unknown>,
): Promise<void> => {
  let writing: Promise<unknown> = Promise.resolve()
  try {
    for (let start = 0; start < events.length; start += partSize) {
      const statement = prepare(events.slice(start, start + partSize))
      await writing
      writing = write(statement)
      writing.catch(() => {})
      // The statement leaves before the next part keeps this thread busy.
      if (start + partSize < events.length) await setImmediate()
    }
  } finally {
    await writing
  }
}
