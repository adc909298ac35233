/** The signer store as a directory: what it refuses, what it survives, and when it says that it cannot be trusted. */
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { createDirectorySignerStore } from '../../../services/audit/log/directory-signer-store.ts'
import { giveFree, readSignerState, retireOrigin } from '../../../services/audit/log/signer/operate.ts'
import { createSignerFiles, type SignerFiles } from '../../../services/audit/log/signer/signer-files.ts'
import type { Advance, SignedHead, SignerStore } from '../../../services/audit/log/signer-store.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { headOf } from '../../support/signed-heads.ts'

t.setTimeout(300_000)

const at = (test: Test, options: { readonly compactAfter?: number; readonly wrap?: (files: SignerFiles) => SignerFiles } = {}) => {
  const directory = path.join(test.testdir(), 'signer')
  const files = createSignerFiles(directory, systemRandomness)
  const store = (installation = 'here'): SignerStore => {
    const opened = createDirectorySignerStore({
      files: options.wrap?.(files) ?? files,
      installation,
      compactAfter: options.compactAfter ?? 1_000_000,
    })
    const claim = async () => {
      const session = await opened.claim()
      test.teardown(() => session.close())
      return session
    }
    return { ...opened, claim }
  }
  return { directory, files, store }
}

const head = (size: bigint, who = '', origin = 'north'): SignedHead => headOf(origin, size, who)
const first: Advance = { from: undefined, to: head(1n) }

const journalIn = (directory: string): string =>
  path.join(directory, readdirSync(directory).find((name) => name.startsWith('journal-')) as string)

t.test('what was recorded is there for whoever claims next', async (t) => {
  const { store } = at(t)
  t.same(await store().read(), [])
  const session = await store().claim()
  t.equal(session.record('north'), undefined)
  t.same(await session.advance([first]), { kind: 'recorded' })
  t.same(await session.advance([{ from: head(1n), to: head(5n) }]), { kind: 'recorded' })
  t.match(session.record('north'), head(5n))
  await session.close()
  const next = await store().claim()
  t.match(next.records(), [head(5n)])
  t.ok(next.epoch > session.epoch)
  t.match(await store().read(), [head(5n)])
})

t.test('a head never goes back, never has two roots, and moves only from what was recorded', async (t) => {
  const { store } = at(t)
  const session = await store().claim()
  await session.advance([{ from: undefined, to: head(5n) }])
  const refused: Readonly<Record<string, Advance>> = {
    'a smaller size': { from: head(5n), to: head(4n) },
    'the same size with another root': { from: head(5n), to: head(5n, 'other') },
    'from a head of another root': { from: head(5n, 'other'), to: head(6n) },
    'from an older head': { from: head(4n), to: head(6n) },
    'as if it were new': { from: undefined, to: head(6n) },
    'a new origin from a head it never had': { from: head(1n, '', 'south'), to: head(2n, '', 'south') },
    'from the head of another origin': { from: head(5n), to: head(6n, '', 'south') },
    'a root of 31 bytes': { from: head(5n), to: { ...head(6n), root: Buffer.alloc(31) } },
    'a size beyond 64 bits': { from: head(5n), to: { ...head(6n), size: 2n ** 64n } },
    'a negative size': { from: undefined, to: { ...head(6n, '', 'south'), size: -1n } },
    'an origin without a name': { from: undefined, to: head(1n, '', '') },
  }
  for (const [what, advance] of Object.entries(refused)) {
    const neighbour: Advance = { from: undefined, to: head(1n, what, `neighbour of ${what}`) }
    t.match(await session.advance([neighbour, advance]), { kind: 'conflict' }, what)
    t.equal(session.record(neighbour.to.origin), undefined, `${what}: nothing else was recorded`)
  }
  t.match(await session.advance([{ from: head(4n), to: head(6n) }]), { kind: 'conflict', records: [head(5n)] }, 'it says what is recorded')
  const twice = await session.advance([
    { from: head(5n), to: head(6n) },
    { from: head(5n), to: head(7n) },
  ])
  t.match(twice, { kind: 'conflict' }, 'one origin twice')
  t.match((await store().claim()).records(), [head(5n)])
})

t.test('what is recorded already may be signed again, and is not written again', async (t) => {
  const { store, directory } = at(t)
  const session = await store().claim()
  await session.advance([first])
  const before = readFileSync(journalIn(directory))
  t.same(await session.advance([{ from: head(1n), to: head(1n) }]), { kind: 'recorded' })
  t.same(readFileSync(journalIn(directory)), before)
  const next = await store().claim()
  t.match(
    await session.advance([{ from: head(1n), to: head(1n) }]),
    { kind: 'superseded', epoch: next.epoch },
    'but only while it is its own',
  )
})

t.test('a session that somebody else has claimed from records nothing any more', async (t) => {
  const { store } = at(t)
  const paused = await store().claim()
  const awake = await store().claim()
  await awake.advance([first])
  t.same(await paused.advance([{ from: undefined, to: head(9n) }]), { kind: 'superseded', epoch: awake.epoch })
  t.same(await paused.advance([{ from: undefined, to: head(9n) }]), { kind: 'superseded', epoch: awake.epoch })
  t.match((await store().claim()).records(), [head(1n)])
})

/** Files whose next write is followed, ahead of the look for another epoch, by whatever a test does there. */
const pausing = () => {
  let meanwhile: ((stage: 'written' | 'checked') => Promise<void>) | undefined
  const wrap = (files: SignerFiles): SignerFiles => ({
    ...files,
    openToAppend: async (name) => {
      const file = await files.openToAppend(name)
      return {
        ...file,
        append: async (bytes) => {
          const during = meanwhile
          meanwhile = undefined
          await during?.('checked')
          await file.append(bytes)
          await during?.('written')
        },
      }
    },
  })
  return {
    wrap,
    during: (act: typeof meanwhile) => {
      meanwhile = act
    },
  }
}

for (const stage of ['checked', 'written'] as const) {
  t.test(`a session that pauses once it has ${stage}, and wakes after another claimed and signed, signs nothing`, async (t) => {
    const { wrap, during } = pausing()
    const { store } = at(t, { wrap })
    const paused = await store().claim()
    await paused.advance([first])
    let other: Awaited<ReturnType<typeof paused.advance>> | undefined
    during(async (reached) => {
      if (reached !== stage) return
      const awake = await store().claim()
      const from = awake.record('north')
      other = await awake.advance([{ from, to: head(stage === 'written' ? 9n : 2n, 'awake') }])
    })
    const outcome = await paused.advance([{ from: head(1n), to: head(3n) }])
    t.same(other, { kind: 'recorded' })
    t.equal(outcome.kind, 'superseded')
    t.match((await store().claim()).record('north'), { size: stage === 'written' ? 9n : 2n }, 'the late line means nothing')
  })
}

t.test('a line that was cut off anywhere is a write that never finished: what was recorded before it stays', async (t) => {
  const { store, directory } = at(t)
  const session = await store().claim()
  await session.advance([first])
  const whole = readFileSync(journalIn(directory))
  await session.advance([{ from: head(1n), to: head(2n) }])
  const both = readFileSync(journalIn(directory))
  const name = journalIn(directory)
  await session.close()
  for (let length = whole.length + 1; length < both.length; length += 7) {
    const copy = `${directory}-copy`
    cpSync(directory, copy, { recursive: true })
    for (const torn of [both.subarray(0, length), Buffer.concat([both.subarray(0, length), Buffer.alloc(both.length - length)])]) {
      writeFileSync(path.join(copy, path.basename(name)), torn)
      const files = createSignerFiles(copy, systemRandomness)
      t.match((await readSignerState(files)).records.get('north'), { size: 1n }, `${length} bytes`)
      t.match((await createDirectorySignerStore({ files, installation: 'here' }).read())[0], { size: 1n })
    }
  }
})

t.test('a byte changed in a line that was whole is damage, which nobody signs upon', async (t) => {
  const { store, directory, files } = at(t)
  const session = await store().claim()
  await session.advance([first])
  await session.advance([{ from: head(1n), to: head(2n) }])
  await session.close()
  const name = journalIn(directory)
  const good = readFileSync(name)
  const epochs = () => readdirSync(directory).filter((each) => each.startsWith('epoch-')).length
  const before = epochs()
  for (let index = 0; index < good.length - 1; index += 11) {
    const bad = Buffer.from(good)
    bad[index] = (bad[index] as number) ^ 1
    writeFileSync(name, bad)
    await t.rejects(
      store().claim(),
      { name: 'StartError', message: /is damaged: line \d of journal-.*back from its backup/ },
      `byte ${index}`,
    )
    await t.rejects(readSignerState(files), { name: 'StartError' })
  }
  t.equal(epochs(), before, 'nobody was superseded')
  for (const bad of [Buffer.alloc(0), good.subarray(0, 20), Buffer.from('{}\n'), Buffer.alloc(100)]) {
    writeFileSync(name, bad)
    await t.rejects(store().claim(), { name: 'StartError', message: /is damaged: line 1/ })
  }
  rmSync(name)
  await t.rejects(store().claim(), { name: 'StartError', message: /has lost its journal/ })
})

t.test('a disk that is full makes no signature, then or later, until somebody claims again', async (t) => {
  let full = false
  const { store } = at(t, {
    wrap: (files) => ({
      ...files,
      openToAppend: async (name) => {
        const file = await files.openToAppend(name)
        return {
          ...file,
          append: async (bytes) => {
            if (!full) return file.append(bytes)
            await file.append(bytes.subarray(0, 30))
            throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
          },
        }
      },
    }),
  })
  const session = await store().claim()
  await session.advance([first])
  full = true
  await t.rejects(session.advance([{ from: head(1n), to: head(2n) }]), /cannot be written, so nothing is signed/)
  t.match(session.record('north'), { size: 1n })
  full = false
  await t.rejects(session.advance([{ from: head(1n), to: head(2n) }]), /cannot be written/, 'what the disk holds now is not known')
  const next = await store().claim()
  t.match(next.record('north'), { size: 1n })
  t.same(await next.advance([{ from: head(1n), to: head(2n) }]), { kind: 'recorded' })
})

const losses: Readonly<Record<string, (directory: string) => void>> = {
  'was deleted': (directory) => rmSync(directory, { recursive: true }),
  'was emptied': (directory) => {
    for (const name of readdirSync(directory)) rmSync(path.join(directory, name))
  },
  'was moved away': (directory) => renameSync(directory, `${directory}.old`),
  'was replaced by a copy of itself': (directory) => {
    cpSync(directory, `${directory}.copy`, { recursive: true })
    rmSync(directory, { recursive: true })
    renameSync(`${directory}.copy`, directory)
  },
}

for (const [what, lose] of Object.entries(losses)) {
  t.test(`a directory that ${what} while it was in use makes no signature`, async (t) => {
    const { store, directory } = at(t)
    const session = await store().claim()
    await session.advance([first])
    lose(directory)
    await t.rejects(session.advance([{ from: head(1n), to: head(2n) }]), /nothing is signed/)
  })
}

t.test('the heads of another installation are left alone until an operator gives them free', async (t) => {
  const { store, files } = at(t)
  const session = await store('there').claim()
  await session.advance([first])
  await t.rejects(store('here').claim(), { name: 'StartError', message: /another installation.*chartwarden log release/ })
  await t.rejects(store('here').read(), { name: 'StartError' })
  t.same(await session.advance([{ from: head(1n), to: head(2n) }]), { kind: 'recorded' }, 'whoever owns it was not disturbed')
  t.equal(await giveFree(files), 'there')
  t.equal((await session.advance([{ from: head(2n), to: head(3n) }])).kind, 'superseded')
  t.match((await store('here').claim()).records(), [head(2n)])
  await t.rejects(store('there').claim(), { name: 'StartError' }, 'it has changed hands')
})

t.test('a store that holds nothing is nobody’s', async (t) => {
  const { store } = at(t)
  await (await store('there').claim()).close()
  t.same((await store('here').claim()).records(), [])
})

t.test('an origin that was retired is never signed again, by the session that ran meanwhile least of all', async (t) => {
  const { store, files } = at(t)
  const session = await store().claim()
  await session.advance([first])
  t.equal(await retireOrigin(files, 'nowhere', 'other'), 'unknown')
  t.same(await session.advance([{ from: head(1n), to: head(2n) }]), { kind: 'recorded' }, 'a question supersedes nobody')
  t.equal(await retireOrigin(files, 'north', 'restored_backup'), 'retired')
  t.equal(await retireOrigin(files, 'north', 'damaged'), 'retired_before')
  t.equal((await session.advance([{ from: head(2n), to: head(3n) }])).kind, 'superseded')
  const next = await store().claim()
  t.match(next.record('north'), { size: 2n, retired: { cause: 'restored_backup' } })
  t.match(await next.advance([{ from: head(2n), to: head(3n) }]), {
    kind: 'conflict',
    records: [{ retired: { cause: 'restored_backup' } }],
  })
  t.match(await next.advance([{ from: head(2n), to: head(2n) }]), { kind: 'conflict' })
  t.same(await next.advance([{ from: undefined, to: head(1n, '', 'north/2') }]), { kind: 'recorded' })
})

t.test('two hundred origins are one write and one sync', async (t) => {
  const { store, directory } = at(t)
  const session = await store().claim()
  const probe = await open(journalIn(directory))
  const prototype = Object.getPrototypeOf(probe) as Record<'write' | 'datasync' | 'sync', (...given: unknown[]) => unknown>
  await probe.close()
  const counts = { write: 0, datasync: 0, sync: 0 }
  for (const name of ['write', 'datasync', 'sync'] as const) {
    const real = prototype[name]
    t.teardown(() => {
      prototype[name] = real
    })
    prototype[name] = function (this: unknown, ...given) {
      counts[name] += 1
      return real.apply(this, given)
    }
  }
  const advances = Array.from({ length: 200 }, (_, index) => ({ from: undefined, to: head(1n, '', `clinic-${index}`) }))
  t.same(await session.advance(advances), { kind: 'recorded' })
  t.same(counts, { write: 1, datasync: 1, sync: 0 })
  t.equal((await store().claim()).records().length, 200)
})

t.test('calls of one session at once are carried out one after the other', async (t) => {
  const { store } = at(t)
  const session = await store().claim()
  const outcomes = await Promise.all(
    [1n, 2n, 3n].map((size) => session.advance([{ from: size === 1n ? undefined : head(size - 1n), to: head(size) }])),
  )
  t.same(outcomes, Array(3).fill({ kind: 'recorded' }))
  t.match((await store().claim()).record('north'), { size: 3n })
})

t.test('a long life leaves a short journal', async (t) => {
  const { store, directory } = at(t, { compactAfter: 1_000 })
  const session = await store().claim()
  let from: SignedHead | undefined
  for (let size = 1n; size <= 100n; size += 1n) {
    const to = head(size)
    await session.advance([{ from, to }])
    from = to
  }
  t.equal(readdirSync(directory).length, 2, 'an epoch and a journal')
  t.ok(readFileSync(journalIn(directory)).length < 2_000)
  t.match((await store().claim()).record('north'), { size: 100n })
  t.equal((await session.advance([{ from: head(100n), to: head(101n) }])).kind, 'superseded')
})

t.test('what a claim that died has left behind is tidied up', async (t) => {
  const { store, directory } = at(t)
  await (await store().claim()).advance([first])
  writeFileSync(path.join(directory, 'journal-1-1.0123456789abcdef.new'), 'half')
  writeFileSync(path.join(directory, 'epoch-7'), '')
  writeFileSync(path.join(directory, 'lost+found'), 'not ours')
  const session = await store().claim()
  t.equal(session.epoch, 8n)
  t.match(session.record('north'), { size: 1n })
  t.same(readdirSync(directory).sort(), ['epoch-8', 'journal-8-0', 'lost+found'])
})

t.test('a directory that cannot be used stops the start with one line that names it', async (t) => {
  const { directory, store } = at(t)
  writeFileSync(directory, 'a file')
  await t.rejects(store().claim(), { name: 'StartError', message: new RegExp(`${directory} cannot be used: [A-Z]+\\.$`) })
})

t.test('a session that was closed signs nothing', async (t) => {
  const { store } = at(t)
  const session = await store().claim()
  await session.close()
  await t.rejects(session.advance([first]), /closed/)
})

t.test('the journal can be read without this programme', async (t) => {
  const { store, directory } = at(t)
  await (await store().claim()).advance([first])
  const lines = readFileSync(journalIn(directory), 'utf8').trimEnd().split('\n')
  const [state, write] = lines.map((line) => JSON.parse(line.slice(65)) as unknown)
  t.match(state, { format: 'chartwarden signer store 1', installation: 'here', heads: { length: 0 } })
  t.same(write, { heads: [['north', '1', Buffer.from(head(1n).root).toString('base64')]] })
})
