/** The database is put back to an older copy of itself under a running service, and later to the newer one. */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { copyDirectory } from '../../support/postgres-server.ts'
import { conclude, during, type Scenario } from '../scenario.ts'
import { openSeparateSubject } from '../separate-subject.ts'

const name = 'head going backwards'

export const restored: Scenario = {
  name,
  run: async ({ scratch, pauseMs }) => {
    await using stack = new AsyncDisposableStack()
    const subject = await openSeparateSubject(stack, { scratch })
    const { server } = subject
    const load = subject.load({ callers: 16 })
    const copyTo = async (copy: string): Promise<void> => {
      await server.stop()
      copyDirectory(server.dataDirectory, path.join(scratch, copy))
    }
    const putBack = async (copy: string): Promise<void> => {
      rmSync(server.dataDirectory, { recursive: true })
      copyDirectory(path.join(scratch, copy), server.dataDirectory)
      await server.start()
    }
    await load.nextAnswer()
    await delay(300)
    const first = await during(load, 'copied', async () => {
      await copyTo('older')
      await server.start()
    })
    await delay(500)
    let answeredOnOld = 0
    const second = await during(load, 'older copy put back, then the newer one', async () => {
      await copyTo('newer')
      await putBack('older')
      const before = load.answers.length
      await delay(Math.min(pauseMs, 5_000))
      answeredOnOld = load.answers.length - before
      await copyTo('rejected')
      await putBack('newer')
    })
    const result = await conclude({
      name,
      what: 'The database is put back to an older copy under the running service, and after a while to the copy of the newest state.',
      subject,
      load,
      moments: [first, second],
    })
    const regressed = result.refusals['LEDGER_REGRESSED'] ?? 0
    return {
      ...result,
      seen: [`Over the older copy ${answeredOnOld} questions were answered and ${regressed} refused with LEDGER_REGRESSED.`],
      problems: [
        ...result.problems,
        ...(answeredOnOld === 0 ? [] : [`${answeredOnOld} questions were answered by a ledger that had lost entries`]),
        ...(regressed === 0 ? ['nobody was told that the ledger went back'] : []),
      ],
    }
  },
}
