/** The disk of the database is full: its tables, or its write-ahead log, cannot grow. */
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openEmbeddedSubject } from '../embedded-subject.ts'
import { busyCallers } from '../kill-in-turn.ts'
import { conclude, during, type Scenario } from '../scenario.ts'
import { mountSmallDisk, noSmallDisk } from '../small-disk.ts'

const name = 'disk full'

export const diskFull: Scenario = {
  name,
  unable: noSmallDisk,
  run: async ({ scratch, pauseMs }) => {
    await using stack = new AsyncDisposableStack()
    const disk = mountSmallDisk(path.join(scratch, 'disk'), 192)
    stack.defer(() => disk.unmount())
    const subject = await openEmbeddedSubject(stack, { stateDir: path.join(disk.directory, 'state') })
    const load = subject.load({ callers: busyCallers })
    await load.nextAnswer()
    await delay(500)
    let before = 0
    let until = 0
    const moment = await during(load, 'full', async () => {
      disk.fill()
      before = load.answers.length
      // What is left inside the files is used up, until nobody is answered any more.
      let seen = -1
      while (load.answers.length > seen) {
        seen = load.answers.length
        await delay(Math.min(pauseMs, 2_000))
      }
      until = load.answers.length
      disk.empty()
    })
    await delay(500)
    return await conclude({
      name,
      what: 'The disk that holds the database is filled to the last byte, and given room again once nobody is answered any more.',
      subject,
      load,
      moments: [moment],
      seen: [
        `${until - before} answers were given after the disk was full, from room inside the files; then none.`,
        `Starts of the service: ${subject.kept.starts}; nothing was done by hand but making room.`,
      ],
    })
  },
}
