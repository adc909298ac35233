import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createDirectoryBackupStore } from '../../../services/audit/backup/directory-backup-store.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { backupStoreContract } from '../../contract/backup-store.ts'
import { scratchDirectory } from '../../support/service.ts'
import { waitFor } from '../../support/wait-for.ts'

const writerProcess = join(import.meta.dirname, '../../support/backup-writer-process.ts')

const storeIn = (directory: string) => createDirectoryBackupStore({ directory, clock: systemClock, randomness: systemRandomness })

const open = async (t: Test) => storeIn(join(scratchDirectory(t, 'backups'), 'store'))

t.test('a directory keeps what every store promises', (t) => backupStoreContract(t, open))

const objectBytes = 4 * 1_048_576

/** Kills a writer in the middle of its work, again and again; objects that are there and not whole. */
const killedWriters = async (
  t: Test,
  way: 'store' | 'plain',
  rounds: number,
): Promise<{ readonly halves: number; readonly whole: number }> => {
  let [halves, whole] = [0, 0]
  for (let round = 0; round < rounds && halves === 0; round += 1) {
    const directory = scratchDirectory(t, `killed-${way}`)
    const writer = spawn(process.execPath, [writerProcess, directory, way, String(objectBytes)], { stdio: 'ignore' })
    const ended = once(writer, 'exit')
    await waitFor('an object and one under way', () =>
      readdirSync(directory).some((name) => name !== '.drafts' && name >= `object-${round % 3}`),
    )
    writer.kill('SIGKILL')
    await ended
    const store = storeIn(directory)
    for (const name of await store.list('')) {
      const object = await store.read(name)
      if (object?.equals(Buffer.alloc(objectBytes, object[0])) === true) whole += 1
      else halves += 1
    }
  }
  return { halves, whole }
}

t.test('whenever the writer is killed, what is there is whole', async (t) => {
  const { halves, whole } = await killedWriters(t, 'store', 3)
  t.equal(halves, 0)
  t.ok(whole > 0)

  await t.test('twin: of plain copies halves are left', async (t) => {
    t.ok((await killedWriters(t, 'plain', 30)).halves > 0)
  })
})

t.test('what was begun and never finished is no object, and goes once nobody can be writing it any more', async (t) => {
  const directory = scratchDirectory(t, 'backups')
  const store = storeIn(directory)
  const drafts = join(directory, '.drafts')
  mkdirSync(drafts)
  const halves = ['young', 'old'].map((name) => join(drafts, name))
  for (const half of halves) writeFileSync(half, 'half')
  utimesSync(join(drafts, 'old'), new Date(0), new Date(0))
  t.same(await store.list(''), [])
  await store.write('object', Buffer.from('whole'))
  t.same(await store.list(''), ['object'])
  t.same(readdirSync(drafts), ['young'])
})

t.test('nobody but its owner can read what is kept', { skip: process.platform === 'win32' }, async (t) => {
  const directory = join(scratchDirectory(t, 'backups'), 'store')
  await storeIn(directory).write('manifests/00000001.json', Buffer.from('x'))
  t.equal(statSync(join(directory, 'manifests', '00000001.json')).mode & 0o077, 0)
  t.equal(statSync(join(directory, 'manifests')).mode & 0o077, 0)
})
