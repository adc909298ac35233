import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../../services/kernel/clock.ts'
import { serverProcesses } from '../../../services/kernel/postgres/leftovers.ts'
import { acquireStateLock } from '../../../services/kernel/postgres/state-lock.ts'
import { StartError } from '../../../services/kernel/start-error.ts'
import { newStateDirectory, startService } from '../../support/embedded-service.ts'
import { query } from '../../support/query.ts'

t.setTimeout(300_000)

const scratch = (test: Test): string => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-test-lock-'))
  test.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

const acquire = (directory: string) => acquireStateLock({ directory, clock: systemClock })

t.test('the lock is held once, also within one process, until it is released', async (t) => {
  const directory = scratch(t)
  const lock = await acquire(directory)
  const refused = { name: 'StartError', message: `The state directory ${directory} is in use by process ${process.pid};` }
  await t.rejects(acquire(directory), refused)
  await t.rejects(acquire(directory), refused, 'a refused attempt does not loosen it')
  lock.release()
  lock.release()
  const again = await acquire(directory)
  await t.rejects(acquire(directory), refused)
  again.release()
})

t.test('what a dead holder left behind is no lock', async (t) => {
  const directory = scratch(t)
  writeFileSync(path.join(directory, 'lock'), '')
  writeFileSync(path.join(directory, 'holder.json'), JSON.stringify({ pid: process.ppid }))
  const lock = await acquire(directory)
  await t.rejects(acquire(directory), { message: `is in use by process ${process.pid};` }, 'the dead holder is no longer named')
  lock.release()
})

t.test('a lock file that is something else is named in the refusal', async (t) => {
  const directory = scratch(t)
  writeFileSync(path.join(directory, 'lock'), 'x'.repeat(4096))
  await t.rejects(
    acquire(directory),
    new StartError(`The lock file ${path.join(directory, 'lock')} cannot be locked: file is not a database.`),
  )
})

t.test('a second start on the same directory is refused, names directory and process, and disturbs nothing', async (t) => {
  const { stateDir } = newStateDirectory(t)
  const first = startService(t, stateDir)
  const ready = await first.ready()
  const second = startService(t, stateDir)
  t.equal((await second.ended).code, 1)
  const refusal = await second.next('refused')
  t.ok(refusal.startError)
  t.match(refusal.message, new RegExp(`^The state directory ${stateDir} is in use by process ${first.pid};[^\\n]*$`))
  t.strictSame(await query(ready.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
})

t.test('of several starts at once exactly one wins, on a new directory and after a crash', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  for (const round of ['new', 'crashed']) {
    const services = Array.from({ length: 4 }, () => startService(t, stateDir))
    const outcomes = await Promise.allSettled(services.map((service) => service.ready()))
    t.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1, round)
    const winner = services[outcomes.findIndex((outcome) => outcome.status === 'fulfilled')]
    for (const service of services) {
      if (service === winner) continue
      const refusal = await service.next('refused')
      t.ok(refusal.startError)
      t.match(refusal.message, `is in use by process ${winner?.pid};`)
    }
    t.equal(serverProcesses(dataDirectory).filter((row) => row.command.includes(' -D ')).length, 1, 'one server')
    winner?.kill('SIGKILL')
    await winner?.ended
  }
})
