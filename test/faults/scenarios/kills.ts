/** SIGKILL at random moments, in turn of the service, of its Postgres with all its processes, and of both. */
import path from 'node:path'
import { openEmbeddedSubject } from '../embedded-subject.ts'
import { busyCallers, killInTurn } from '../kill-in-turn.ts'
import { conclude, type Scenario } from '../scenario.ts'

const name = 'kill -9'

export const kills: Scenario = {
  name,
  run: async ({ scratch, rounds, random, program }) => {
    await using stack = new AsyncDisposableStack()
    const subject = await openEmbeddedSubject(stack, {
      stateDir: path.join(scratch, 'killed'),
      ...(program === undefined ? {} : { program }),
    })
    const load = subject.load({ callers: busyCallers })
    const moments = await killInTurn({
      load,
      victims: ['service', 'Postgres', 'service and Postgres'],
      kill: async (victim) => {
        if (victim !== 'service') subject.signalPostgres('SIGKILL')
        if (victim !== 'Postgres') await subject.killService()
      },
      rounds,
      random,
    })
    return await conclude({
      name,
      what: `The service, its Postgres with all its processes, and both are killed in turn at random moments, under ${busyCallers} callers or a single one.`,
      subject,
      load,
      moments,
      seen: [`Starts of the service: ${subject.kept.starts}, each with nothing done by hand.`],
    })
  },
}
