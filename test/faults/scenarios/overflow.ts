/** Far more calls at once than may wait for the ledger. */
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openEmbeddedSubject } from '../embedded-subject.ts'
import { busyCallers } from '../kill-in-turn.ts'
import { conclude, during, type Scenario } from '../scenario.ts'

const name = 'queue overflow'

const callers = 1_600
/** The fewest that may be configured. */
const places = 1_024

export const overflow: Scenario = {
  name,
  run: async ({ scratch }) => {
    await using stack = new AsyncDisposableStack()
    const subject = await openEmbeddedSubject(stack, {
      stateDir: path.join(scratch, 'overflowing'),
      environment: {
        CHARTWARDEN_MAX_QUEUED_ENTRIES: `${places}`,
        CHARTWARDEN_MAX_STREAMS_PER_CONNECTION: '8192',
      },
    })
    const load = subject.load({ callers, retryMs: 1_000 })
    load.limit(busyCallers)
    await load.nextAnswer()
    const moment = await during(load, `${callers} callers`, async () => {
      load.limit(callers)
      await delay(1_500)
      load.limit(busyCallers)
    })
    const result = await conclude({
      name,
      what: `${callers} callers ask at once where ${places} entries may wait; who is refused asks again a second later.`,
      subject,
      load,
      moments: [moment],
    })
    const refused = result.refusals['OVERLOADED'] ?? 0
    return {
      ...result,
      seen: [`${refused} calls were refused with OVERLOADED.`],
      problems: [...result.problems, ...(refused === 0 ? ['the queue never overflowed'] : [])],
    }
  },
}
