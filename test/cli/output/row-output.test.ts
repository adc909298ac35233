/** Rows by the million, through the same code as every report, in processes that may hold little. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, createReadStream, existsSync, openSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { PassThrough, type Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Io } from '../../../cli/io.ts'
import { openRowOutput } from '../../../cli/output/row-output.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { waitFor } from '../../support/wait-for.ts'

t.setTimeout(240_000)

const million = 1_000_000
/** Of csv, which is laid out a row at a time. */
const many = 150_000
const writer = fileURLToPath(new URL('../../support/million-rows.ts', import.meta.url))

const start = (...argv: readonly string[]) =>
  spawn(process.execPath, ['--max-old-space-size=64', writer, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once('close', (code) => resolve(code)))

const countLines = async (stream: Readable): Promise<{ readonly lines: number; readonly last: string }> => {
  let lines = 0
  let last = ''
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    lines += 1
    last = line
  }
  return { lines, last }
}

t.test('a million rows go through a pipe without being held, and the last line says they are all', async (t) => {
  const child = start(String(million), 'ndjson')
  const [{ lines, last }, told, code] = await Promise.all([countLines(child.stdout), text(child.stderr), ended(child)])
  t.equal(code, 0, told)
  t.equal(lines, million + 1)
  t.same(JSON.parse(last), { end: { complete_to_revision: '7', parked_entries: '0', rows: million } })
  t.match(told, /^ok /m)
})

t.test('rows go into a file that is there only once it is whole', async (t) => {
  const directory = t.testdir()
  const target = path.join(directory, 'report.csv')
  const child = start(String(many), 'csv', target)
  const [out, told, code] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  t.equal(code, 0, told)
  t.equal(out, '')
  const { lines, last } = await countLines(createReadStream(target))
  t.equal(lines, 2 * many + 1, 'each cell with a line feed takes two lines')
  t.equal(last, 'and more of it"')
  t.same(readdirSync(directory), ['report.csv'])
})

/** Kills a writer of endless rows once something of them stands in the directory. */
const killInTheMiddle = async (directory: string, child: ChildProcess): Promise<void> => {
  const end = new Promise((resolve) => child.once('close', resolve))
  await waitFor('something written', () => readdirSync(directory).some((name) => statSync(path.join(directory, name)).size > 0))
  child.kill('SIGKILL')
  await end
}

t.test('a writer that is killed leaves nothing under the name of the file', async (t) => {
  const directory = t.testdir()
  const target = path.join(directory, 'report.csv')
  await killInTheMiddle(directory, start('100000000', 'csv', target))
  t.notOk(existsSync(target))
  t.ok(readdirSync(directory).every((name) => name.endsWith('.partial')))
})

t.test(
  'a file that grows too large says with the code of the system why it is not there',
  { skip: process.platform === 'win32' },
  async (t) => {
    const directory = t.testdir()
    const limited = [
      '-c',
      // What tap loads into every child ends it at the signal that comes with the fault.
      'unset NODE_OPTIONS; ulimit -f 64 && exec "$0" "$@"',
      process.execPath,
      writer,
      String(many),
      'csv',
      path.join(directory, 'report.csv'),
    ]
    const child = spawn('sh', limited, { stdio: ['ignore', 'ignore', 'pipe'] })
    const [told, code] = await Promise.all([text(child.stderr), ended(child)])
    t.not(code, 0)
    t.match(told, /report\.csv cannot be written \(EFBIG\); nothing was put in its place\./)
    t.same(readdirSync(directory), [])
  },
)

t.test('twin: output that is only redirected leaves a half that looks whole', async (t) => {
  const directory = t.testdir()
  const target = path.join(directory, 'report.csv')
  const descriptor = openSync(target, 'w')
  await killInTheMiddle(directory, spawn(process.execPath, [writer, '100000000', 'csv'], { stdio: ['ignore', descriptor, 'ignore'] }))
  closeSync(descriptor)
  t.ok(existsSync(target))
})

t.test('a reader that goes away ends the writer without a word', async (t) => {
  const child = start('100000000', 'table')
  const told = text(child.stderr)
  await new Promise((resolve) => child.stdout.once('data', resolve))
  child.stdout.destroy()
  t.equal(await ended(child), 0)
  t.equal(await told, '')
})

const sessionOver = (out: PassThrough, err: PassThrough) => ({
  io: {
    environment: {},
    out,
    err,
    outIsTerminal: false,
    errIsTerminal: false,
    clock: systemClock,
    randomness: systemRandomness,
  } satisfies Io,
  json: false,
})

t.test('a reader that is slow holds the writer back', async (t) => {
  const out = new PassThrough({ highWaterMark: 1024 })
  const output = await openRowOutput<string>(
    sessionOver(out, new PassThrough()),
    { format: 'csv' },
    {
      columns: [{ name: 'cell', value: (row) => row }],
      toJson: (row) => row,
    },
  )
  let written = 0
  const writing = (async () => {
    for (; written < 1000; written += 1) await output.write('x'.repeat(100))
    await output.complete({})
    out.end()
  })()
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(written < 40, 'about what the stream holds')
  t.ok(out.readableLength + out.writableLength < 4096)
  const [whole] = await Promise.all([text(out), writing])
  t.equal(whole.split('\r\n').length, 1002)
})

t.test('progress is told where nobody looks only when it is asked for, and on stderr', async (t) => {
  for (const progress of [undefined, true] as const) {
    const [out, err] = [new PassThrough(), new PassThrough()]
    let now = 0
    const session = sessionOver(out, err)
    const clock = { ...systemClock, monotonic: () => now }
    const options = { format: 'csv' as const, ...(progress === undefined ? {} : { progress }) }
    const output = await openRowOutput<string>({ ...session, io: { ...session.io, clock } }, options, { columns: [], toJson: (row) => row })
    const bar = output.progress('Rows', 10)
    now = 5000
    bar.advance(4)
    bar.stop()
    err.end()
    out.end()
    const told = await text(err)
    t.equal(told !== '', progress === true)
    if (progress) t.match(told, /Rows .*4\/10/)
    t.equal(await text(out), '')
  }
})
