/** Every process of Postgres is stopped where it stands, for a while. */
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openEmbeddedSubject } from '../embedded-subject.ts'
import { busyCallers } from '../kill-in-turn.ts'
import { wallClock } from '../load.ts'
import { conclude, during, type Scenario } from '../scenario.ts'

const name = 'database paused'

export const paused: Scenario = {
  name,
  run: async ({ scratch, pauseMs }) => {
    await using stack = new AsyncDisposableStack()
    const subject = await openEmbeddedSubject(stack, { stateDir: path.join(scratch, 'paused') })
    // A paused server would not be stopped by the service when the stack ends.
    stack.defer(() => void subject.signalPostgres('SIGCONT'))
    const load = subject.load({ callers: busyCallers })
    await load.nextAnswer()
    await delay(500)
    let from = 0
    let to = 0
    const moment = await during(load, `paused for ${pauseMs / 1_000} s`, async () => {
      // Twice: the first time may have missed a process that was just being made.
      for (let time = 0; time < 2; time += 1) subject.signalPostgres('SIGSTOP')
      from = wallClock()
      await delay(pauseMs)
      to = wallClock()
      subject.signalPostgres('SIGCONT')
    })
    await delay(500)
    const result = await conclude({
      name,
      what: `Every process of Postgres is stopped for ${pauseMs / 1_000} s (SIGSTOP) and goes on.`,
      subject,
      load,
      moments: [moment],
    })
    const recordedAt = new Map((await subject.ledger()).logged.map((entry) => [entry.id, entry.recordedAt]))
    const meanwhile = load.answers.filter(({ answeredAt }) => answeredAt > from && answeredAt < to)
    const groundless = meanwhile.filter(({ id, sentAt }) => sentAt > from || (recordedAt.get(id) ?? 0) > from)
    return {
      ...result,
      seen: [`${meanwhile.length} answers arrived during the pause, each about an entry from before it.`],
      problems: [
        ...result.problems,
        ...(groundless.length > 0 ? [`${groundless.length} answers were given while nothing could be stored`] : []),
      ],
    }
  },
}
