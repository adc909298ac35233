/** What every store of backups promises. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Test } from 'tap'
import type { BackupStore } from '../../services/audit/backup/backup-store.ts'

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'utf8')

/** `open`: a store of its own, empty. */
export const backupStoreContract = async (t: Test, open: (t: Test) => Promise<BackupStore>): Promise<void> => {
  await t.test('what is written is read again, byte for byte', async (t) => {
    const store = await open(t)
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256))
    t.equal(await store.write('segments/00000001-ab/entries-000001.age', bytes), 'written')
    t.ok((await store.read('segments/00000001-ab/entries-000001.age'))?.equals(bytes))
    t.equal(await store.write('empty', new Uint8Array()), 'written')
    t.equal((await store.read('empty'))?.length, 0)
  })

  await t.test('there is nothing under a name that nothing was written to', async (t) => {
    const store = await open(t)
    t.equal(await store.read('manifests/00000001.json'), undefined)
    t.same(await store.list('manifests/'), [])
    await store.remove('manifests/00000001.json')
  })

  await t.test('what is there is never written over', async (t) => {
    const store = await open(t)
    await store.write('manifests/00000001.json', bytesOf('first'))
    t.equal(await store.write('manifests/00000001.json', bytesOf('second')), 'exists')
    t.equal(String(await store.read('manifests/00000001.json')), 'first')
  })

  await t.test('of many that write to one name at once one is told that it did, and its bytes are there', async (t) => {
    const store = await open(t)
    for (let round = 0; round < 5; round += 1) {
      const name = `manifests/0000000${round}.json`
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, async (_, writer) => {
          if (writer % 2 === 1) await turn()
          return store.write(name, bytesOf(`writer ${writer}`))
        }),
      )
      t.equal(outcomes.filter((outcome) => outcome === 'written').length, 1)
      t.equal(String(await store.read(name)), `writer ${outcomes.indexOf('written')}`)
    }
  })

  await t.test('names are listed in their order, those alone that begin so', async (t) => {
    const store = await open(t)
    const names = ['manifests/00000002.json', 'manifests/00000010.json', 'manifests/00000001.json', 'segments/00000001-0f/keys-000001.age']
    for (const name of names) await store.write(name, bytesOf(name))
    t.same(await store.list('manifests/'), ['manifests/00000001.json', 'manifests/00000002.json', 'manifests/00000010.json'])
    t.same(await store.list('segments/'), ['segments/00000001-0f/keys-000001.age'])
    t.same(await store.list('segments/00000001-'), ['segments/00000001-0f/keys-000001.age'])
    t.same(await store.list('manifest'), await store.list('manifests/'))
    t.same(await store.list('segments/00000002'), [])
  })

  await t.test('what is removed is gone, and its name is free', async (t) => {
    const store = await open(t)
    await store.write('manifests/00000001.json', bytesOf('first'))
    await store.remove('manifests/00000001.json')
    t.equal(await store.read('manifests/00000001.json'), undefined)
    t.same(await store.list('manifests/'), [])
    t.equal(await store.write('manifests/00000001.json', bytesOf('second')), 'written')
  })

  await t.test('a name that could lead elsewhere is refused', async (t) => {
    const store = await open(t)
    for (const name of ['../outside', '/etc/passwd', 'manifests/../../outside', '', '.drafts/x', 'Manifests/1', 'a//b', 'a\\b', 'a\0b']) {
      await t.rejects(store.write(name, bytesOf('x')), RangeError)
      await t.rejects(store.read(name), RangeError)
    }
  })
}
