/** The connections between service and database are cut at random moments, and stay so for a while. */
import { setTimeout as delay } from 'node:timers/promises'
import { startTcpRelay } from '../../support/tcp-relay.ts'
import { busyCallers } from '../kill-in-turn.ts'
import { conclude, during, type FaultMoment, type Scenario } from '../scenario.ts'
import { openSeparateSubject } from '../separate-subject.ts'

const name = 'connection cut'

export const cut: Scenario = {
  name,
  run: async ({ scratch, rounds, random }) => {
    await using stack = new AsyncDisposableStack()
    let relay: Awaited<ReturnType<typeof startTcpRelay>> | undefined
    const subject = await openSeparateSubject(stack, {
      scratch,
      between: async (port) => {
        relay = await startTcpRelay({ teardown: (work) => stack.defer(work) }, `127.0.0.1:${port}`)
        return relay.address
      },
    })
    const load = subject.load({ callers: busyCallers })
    const moments: FaultMoment[] = []
    for (let round = 0; round < rounds; round += 1) {
      await load.nextAnswer()
      await delay(100 + random() * 400)
      const forMs = 20 + random() * 480
      const cutAndMend = async (): Promise<void> => {
        relay?.cut()
        await delay(forMs)
        relay?.mend()
      }
      moments.push(await during(load, `cut for ${forMs.toFixed(0)} ms`, cutAndMend))
    }
    return await conclude({
      name,
      what: 'Every connection between service and database ends at once at random moments, and new ones are refused for up to half a second.',
      subject,
      load,
      moments,
    })
  },
}
