/** Somebody moves a clinic by the guide, from one installation to another. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import t, { type Test } from 'tap'
import { type Chartwarden, commandLine } from './support/command-line.ts'
import { followPage } from './support/follow-page.ts'
import { createTestDatabase } from './support/postgres.ts'
import { scratchDirectory, startTestService } from './support/service.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/move-a-clinic.md')

const installation = async (t: Test, environment: Readonly<Record<string, string>> = {}): Promise<Chartwarden> => {
  const service = await startTestService(t, { database: await createTestDatabase(t), environment })
  return commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
}

/** Two installations, a directory for what goes between them, and an identity in it. */
const moving = async (t: Test) => {
  const directory = scratchDirectory(t, 'move')
  const identity = await generateIdentity()
  const place = (name: string): string => path.join(directory, name)
  await writeFile(place('moving.key'), `# made for this move\n${identity}\n`)
  return { old: await installation(t), there: await installation(t), place, directory, recipient: await identityToRecipient(identity) }
}

t.test('somebody follows the guide', async (t) => {
  const { old, there, place, recipient } = await moving(t)
  let moved = false
  const chartwarden: Chartwarden = (...argv) => {
    moved ||= argv.includes('import')
    const words = argv.map((word) => (/^northside\.zip$|^moving\.key$/.test(word) ? place(word) : word === '$RECIPIENT' ? recipient : word))
    return (moved ? there : old)(...words)
  }
  const followed = await followPage(t, page, { chartwarden })
  const said = (word: string) => followed.find(({ command }) => command.includes(word))
  t.match(said('export')?.out, /the whole ledger up to the checkpoint/)
  t.match(said('import ledger')?.out, /^The ledger of northside is here: \d+ entries with the root /)
  t.match(said('import ledger')?.err, /is served here from now on/)
  t.match(said('import ledger')?.err, /Warning: .*same name as the one it came from \(chartwarden\.localhost\//, 'both have the default')
  t.match(said('staff show')?.out, /lee/)
  t.match(said('verify')?.out, /verified/)
})

t.test('an installation with an origin of its own is not warned of another log with its name', async (t) => {
  const { old, place, recipient } = await moving(t)
  const there = await installation(t, { CHARTWARDEN_LOG_ORIGIN: 'south.example' })
  await old('clinic', 'add', 'north', '--title', 'North', '--time-zone', 'Europe/Berlin', '--administrator', 'staff:kim')
  await old('export', '--clinic', 'north', '--keys-for', recipient, '--output', place('w.zip'))
  const moved = await there('import', 'ledger', place('w.zip'), '--identity', place('moving.key'))
  t.equal(moved.code, 0, moved.err)
  t.notMatch(moved.err, 'Warning')
  await old('export', '--clinic', 'north', '--output', place('closed.zip'))
  t.match(await (await installation(t))('import', 'ledger', place('closed.zip')), { code: 0, err: /Evidence only: no keys came with it/ })
})

t.test('a file that is not a whole ledger, was changed or is of another clinic is refused before anything is sent', async (t) => {
  const { old, there, place, directory, recipient } = await moving(t)
  await old('clinic', 'add', 'north', '--title', 'North', '--time-zone', 'Europe/Berlin', '--administrator', 'staff:kim')
  const [whole, part, key] = [place('w.zip'), place('p.zip'), place('moving.key')]
  t.equal((await old('export', '--clinic', 'north', '--keys-for', recipient, '--output', whole)).code, 0)
  t.equal((await old('export', '--clinic', 'north', '--staff', 'staff:kim', '--output', part)).code, 0)
  t.same((await readdir(directory)).sort(), ['moving.key', 'p.zip', 'w.zip'], 'nothing that was put aside is left')

  t.match(await there('import', 'ledger', part), { code: 2, err: /holds a selection/ })
  t.match(await there('import', 'ledger', whole, '--clinic', 'south'), { code: 2, err: /the ledger of north, not of south/ })
  await writeFile(place('other.key'), `${await generateIdentity()}\n`)
  t.match(await there('import', 'ledger', whole, '--identity', place('other.key')), { code: 2, err: /does not open the keys/ })
  await writeFile(place('none.key'), '# nothing\n')
  t.match(await there('import', 'ledger', whole, '--identity', place('none.key')), { code: 2, err: /holds no age identity/ })
  await writeFile(place('bad.key'), 'AGE-SECRET-KEY-1SECRET\n')
  const bad = await there('import', 'ledger', whole, '--identity', place('bad.key'))
  t.match(bad, { code: 2, err: /a line that is no age identity/ })
  t.notMatch(bad.err, '1SECRET', 'the line is not repeated')
  t.match(await there('import', 'ledger', place('missing.zip')), { code: 2, err: /cannot be read \(ENOENT\)/ })
  t.match(await there('clinic', 'list', '--clinic', 'north'), { code: 0, out: /^(?!.*North)/s }, 'nothing was sent')

  t.match(await there('import', 'ledger', whole), {
    code: 0,
    err: /Evidence only: its keys were not opened, since no --identity was given/,
  })
  t.match(await there('clinic', 'list', '--clinic', 'north'), { out: /^(?!.*North)/s }, 'nor is evidence served')
  t.match(await there('import', 'ledger', whole, '--identity', key, '--json'), { code: 0, out: /"served":true/ })
  t.match(await there('clinic', 'list', '--clinic', 'north'), { out: /North/, err: '' }, 'twin: with its keys it is served')
  t.match(await there('clinic', 'list'), { code: 0, err: /A development token reaches none by itself: name clinics with --clinic/ })
})

t.test('an export that cannot be written, or would select and take keys, leaves nothing', async (t) => {
  const { old, place, directory, recipient } = await moving(t)
  await old('clinic', 'add', 'north', '--title', 'North', '--time-zone', 'Europe/Berlin', '--administrator', 'staff:kim')
  t.match(await old('export', '--clinic', 'north'), { code: 2, err: /--output/ })
  t.match(await old('export', '--clinic', 'north', '--patient', 'p-1', '--keys-for', recipient, '--output', place('x.zip')), {
    code: 2,
    err: /--keys-for: goes with a whole ledger only/,
  })
  t.match(await old('export', '--clinic', 'north', '--keys-for', 'age1nobody', '--output', place('x.zip')), { code: 2, err: /--keys-for/ })
  t.match(await old('export', '--clinic', 'south', '--output', place('x.zip')), { code: 4 })
  t.match(await old('export', '--clinic', 'north', '--output', path.join(directory, 'no', 'x.zip')), { code: 2, err: /cannot be written/ })
  t.match(await old('export', '--clinic', 'north', '--patient', 'nobody', '--output', place('x.zip')), {
    code: 7,
    err: /Nothing names the patient nobody .*check the spelling/,
  })
  t.match(await old('export', '--clinic', 'north', '--until', '2001-01-01T00:00:00Z', '--output', place('x.zip'), '--json'), {
    code: 6,
    out: '{"clinic":"north","entries":"0"}\n',
  })
  t.same(await readdir(directory), ['moving.key'])
})

t.test('a file of evidence that is there is replaced only when somebody says so', async (t) => {
  const { old, place } = await moving(t)
  await old('clinic', 'add', 'north', '--title', 'North', '--time-zone', 'Europe/Berlin', '--administrator', 'staff:kim')
  await writeFile(place('x.zip'), 'kept')
  const again = ['export', '--clinic', 'north', '--output', place('x.zip')]
  t.match(await old(...again), { code: 2, err: /x\.zip is there already.*--force/ })
  t.equal(await readFile(place('x.zip'), 'utf8'), 'kept')
  t.match(await old(...again, '--force'), { code: 0 })
  t.not(await readFile(place('x.zip'), 'utf8'), 'kept', 'twin: it is replaced when asked for')
})
