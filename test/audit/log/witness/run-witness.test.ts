/** What a witness keeps on disk, and what happens when the disk, the process or somebody's hands interfere. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { formatVerifierKey, verifyNote } from '../../../../services/audit/log/note.ts'
import { judge } from '../../../../services/audit/log/witness/judge.ts'
import { readWitnessStatus, runWitness } from '../../../../services/audit/log/witness/run-witness.ts'
import { createWitness } from '../../../../services/audit/log/witness/witness.ts'
import { makeWitnessKey } from '../../../../services/audit/log/witness/witness-key.ts'
import { createWitnessRecords, originHash, type WitnessRecords } from '../../../../services/audit/log/witness/witness-records.ts'
import { systemClock } from '../../../../services/kernel/clock.ts'
import { scratchDirectory } from '../../../support/service.ts'
import { startTestWitness } from '../../../support/test-witness.ts'
import { startWitnessProcess } from '../../../support/witness-process.ts'
import { forkedTree, witnessedLog } from '../../../support/witnessed-log.ts'

t.setTimeout(300_000)

const log = witnessedLog('log.example/v1/clinics/north/log', 4_000)
const fork = forkedTree(40, 3)
const logs = [log]

const recordFile = (directory: string): string => path.join(directory, `${originHash(log.origin)}.checkpoint`)

t.test('it remembers over a restart, under the same key', async (t) => {
  const first = await startTestWitness(t, { logs })
  await first.post(log.request(0, 9))
  await first.close()
  const second = await startTestWitness(t, { logs, directory: first.directory })
  t.equal(first.newKey, true)
  t.equal(second.newKey, false)
  t.equal(formatVerifierKey(second.key.verifierKey), formatVerifierKey(first.key.verifierKey))
  t.equal((await second.post(log.request(0, 12, { tree: fork }))).status, 409)
  t.equal((await second.post(log.request(9, 12))).status, 200)
})

t.test('nobody else can read the key', { skip: process.platform === 'win32' }, async (t) => {
  const { directory } = await startTestWitness(t, { logs })
  t.equal(statSync(path.join(directory, 'witness-key.json')).mode & 0o077, 0)
})

t.test('two processes on one directory are refused', async (t) => {
  const { directory, close } = await startTestWitness(t, { logs })
  await t.rejects(startTestWitness(t, { logs, directory }), {
    name: 'StartError',
    message: /is in use by process \d+; stop that witness first/,
  })
  await close()
  await startTestWitness(t, { logs, directory })
})

t.test('another name than before, and none at first, are refused', async (t) => {
  const { directory, close } = await startTestWitness(t, { logs })
  await close()
  await t.rejects(startTestWitness(t, { logs, directory, name: 'other.example' }), { message: /is called witness\.example/ })
  const nameless = { logs: new Map(), address: { host: '127.0.0.1', port: 0 }, clock: systemClock, onFault: () => {} }
  await t.rejects(runWitness({ ...nameless, directory: scratchDirectory(t, 'nameless') }), { message: /Give it a name/ })
  for (const name of ['two words', 'a+b', '', 'x'.repeat(256)])
    await t.rejects(runWitness({ ...nameless, directory: scratchDirectory(t, 'named'), name }), { message: /The name of a witness/ }, name)
})

const damages: Readonly<Record<string, (file: string) => void>> = {
  'one changed digit': (file) => writeFileSync(file, readFileSync(file, 'utf8').replace('\n9\n', '\n8\n')),
  'half of it': (file) => writeFileSync(file, readFileSync(file).subarray(0, 100)),
  'nothing in it': (file) => writeFileSync(file, ''),
  'the cosignature cut off': (file) => writeFileSync(file, readFileSync(file, 'utf8').replace(/— witness\.example .*\n/, '')),
  'the record of another log': (file) =>
    writeFileSync(path.join(path.dirname(file), `${originHash('other')}.checkpoint`), readFileSync(file)),
}

for (const [what, damage] of Object.entries(damages)) {
  t.test(`a damaged record stops the start, and says not to delete it: ${what}`, async (t) => {
    const { directory, post, close } = await startTestWitness(t, { logs })
    await post(log.request(0, 9))
    await close()
    damage(recordFile(directory))
    await t.rejects(startTestWitness(t, { logs, directory }), {
      name: 'StartError',
      message: /is damaged or not this witness's own\. Do not delete it/,
    })
    await t.rejects(readWitnessStatus(directory), { name: 'StartError' })
  })
}

t.test('a damaged key stops the start without being quoted', async (t) => {
  const { directory, close } = await startTestWitness(t, { logs })
  await close()
  const file = path.join(directory, 'witness-key.json')
  for (const text of ['', '{}', readFileSync(file, 'utf8').replace('"d":"', '"d":"secret')]) {
    writeFileSync(file, text)
    const thrown = await startTestWitness(t, { logs, directory }).then(
      () => undefined,
      (error: Error) => error.message,
    )
    t.match(thrown, /is damaged/)
    t.notMatch(thrown, /secret/)
  }
})

t.test('the proof of a fork is kept, the first one for ever, and told in the status', async (t) => {
  const witness = await startTestWitness(t, { logs })
  await witness.post(log.request(0, 9))
  await witness.post(log.request(9, 9, { tree: fork }))
  await witness.post(log.request(9, 9, { tree: forkedTree(40, 0) }))
  const { forks, records } = await readWitnessStatus(witness.directory)
  t.same([...forks.keys()], [originHash(log.origin)])
  const [file = ''] = forks.values()
  const [ours, theirs] = [records[0]?.note ?? '', readFileSync(file, 'utf8')]
  t.equal(theirs, log.head(9, fork).note)
  for (const note of [ours, theirs])
    t.equal(verifyNote(note, [log.key]).kind, 'verified', 'both are signed by the log: whoever holds both has a proof')
})

const failing: Pick<WitnessRecords, 'read' | 'write' | 'keepFork'> = {
  read: async () => [],
  write: () => Promise.reject(new Error('the disk is full')),
  keepFork: async () => '',
}

t.test('what cannot be kept is not cosigned, and does not count as seen', async (t) => {
  const key = await makeWitnessKey(scratchDirectory(t, 'full'), 'witness.example')
  const witness = await createWitness({ logs: new Map([[log.origin, [log.key]]]), key, records: failing, clock: systemClock })
  const ask = (body: string) => witness.addCheckpoint(Buffer.from(body, 'utf8'))
  await t.rejects(ask(log.request(0, 9)), { message: 'the disk is full' })
  await t.rejects(ask(log.request(0, 9)), { message: 'the disk is full' }, 'the next request is judged all the same')
  t.same(await ask(log.request(9, 12)), { kind: 'conflict', size: 0n })
  t.equal(witness.checkpoint(originHash(log.origin)), undefined)
})

/** Shows a new witness on the same files, in place of the one that was stopped, another history of what was cosigned. */
const ledAstray = async (t: Test, directory: string, cosigned: number): Promise<boolean> => {
  const again = await startTestWitness(t, { logs, directory })
  const status = (await again.post(log.request(0, cosigned, { tree: forkedTree(cosigned, 0) }))).status
  await again.close()
  return status === 200
}

t.test('twin: a witness that answers before it keeps can be led astray by a restart, and the check notices', async (t) => {
  const directory = scratchDirectory(t, 'careless')
  const key = await makeWitnessKey(directory, 'witness.example')
  const records = { ...createWitnessRecords(directory, key.verifierKey), write: async () => {} }
  const witness = await createWitness({ logs: new Map([[log.origin, [log.key]]]), key, records, clock: systemClock })
  t.equal((await witness.addCheckpoint(Buffer.from(log.request(0, 9), 'utf8'))).kind, 'cosigned')
  t.equal(await ledAstray(t, directory, 9), true)
})

t.test('killed at any moment, it has kept what it has cosigned', async (t) => {
  const directory = scratchDirectory(t, 'killed')
  let cosigned = 0
  for (let life = 0; life < 6; life += 1) {
    const witness = await startWitnessProcess(t, '--state-dir', directory, '--name', 'witness.example', '--log', log.vkey)
    const post = async (body: string): Promise<boolean> =>
      (await fetch(`${witness.url}/add-checkpoint`, { method: 'POST', body })).status === 200
    const kept = await fetch(`${witness.url}/${originHash(log.origin)}/checkpoint`)
    let size = kept.status === 404 ? 0 : Number((await kept.text()).split('\n')[1])
    t.ok(size >= cosigned, `${size} are kept of ${cosigned} that were cosigned`)
    for (let step = 0; step < 20; step += 1) {
      t.ok(await post(log.request(size, size + 1)))
      size += 1
    }
    cosigned = size
    // Its answer may come or not; wherever the kill falls, between reading, keeping and answering.
    const last = post(log.request(size, size + 1)).catch(() => false)
    for (let turn = 0; turn < life * 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    await witness.stop('SIGKILL')
    if (await last) cosigned += 1
  }
  t.ok(cosigned >= 120, `${cosigned} were cosigned`)
  t.equal(await ledAstray(t, directory, cosigned), false)
})

t.test('twin: a witness without the check of consistency cosigns a fork', async (t) => {
  const careless: typeof judge = (question) => {
    const verdict = judge(question)
    return verdict.kind === 'fork' || verdict.kind === 'not_proven' ? { kind: 'cosign' } : verdict
  }
  const forks = async (decide: typeof judge): Promise<boolean> => {
    const witness = await startTestWitness(t, { logs, decide })
    await witness.post(log.request(0, 9))
    return (await witness.post(log.request(9, 20, { tree: fork }))).status === 200
  }
  t.equal(await forks(judge), false)
  t.equal(await forks(careless), true)
})
