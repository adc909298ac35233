import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { belongsTo, directoryMark, recordedPid } from '../../../services/kernel/postgres/leftovers.ts'
import type { ProcessRow } from '../../../services/kernel/postgres/process-table.ts'

const directory = { mark: 'chartwarden[8:15]', identity: '8:15', uid: 101 }
const postmaster = '/opt/native/bin/postgres -D /proc/self/cwd -c cluster_name=chartwarden[8:15] -c port=1'
const row = (changes: Partial<ProcessRow>): ProcessRow => ({
  pid: 7,
  startedAt: '1',
  uid: 101,
  program: changes.command ?? postmaster,
  command: postmaster,
  workingDirectory: '8:15',
  ...changes,
})

const cases: readonly (readonly [name: string, process: Partial<ProcessRow>, expected: boolean])[] = [
  ['the postmaster', {}, true],
  ['a process of the server', { command: 'postgres: chartwarden[8:15]: checkpointer' }, true],
  ['an installation whose path has spaces', { command: '/opt/my clinic/bin/postgres -D /x -c cluster_name=chartwarden[8:15]' }, true],
  ['a program that makes the directory', { command: '/opt/native/bin/initdb -D /proc/self/cwd' }, true],
  ['a server somebody started by hand in the directory', { command: '/usr/bin/postgres -D .' }, true],
  ['where the working directory is unknown, one with the mark', { workingDirectory: undefined }, true],
  ['where it is unknown, one without the mark', { workingDirectory: undefined, command: '/usr/bin/postgres -D .' }, false],
  [
    'one with the mark of a directory whose number begins alike',
    { workingDirectory: undefined, command: 'postgres: chartwarden[8:150]: x' },
    false,
  ],
  ['one with the mark in another directory, as after a copy', { workingDirectory: '8:16' }, false],
  ['one of another account', { uid: 102 }, false],
  ['one of root', { uid: 0 }, false],
  ['a shell in the directory', { command: 'bash' }, false],
  ['an editor that names the mark', { workingDirectory: undefined, command: 'vim postgres.conf chartwarden[8:15]' }, false],
  ['a program whose name begins alike', { command: '/opt/postgres_exporter -D x' }, false],
  [
    'one that names server and mark among its arguments',
    { workingDirectory: undefined, program: 'grep', command: 'grep /bin/postgres -D chartwarden[8:15]' },
    false,
  ],
  ['a process that hides its command line', { command: '' }, false],
]
for (const [name, changes, expected] of cases) {
  t.test(`${name} ${expected ? 'belongs to the directory' : 'is left alone'}`, async (t) => {
    t.equal(belongsTo(row(changes), directory), expected)
  })
}

t.test('a pid file is read as a number or not at all', async (t) => {
  const home = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-test-leftovers-'))
  t.teardown(() => rmSync(home, { recursive: true }))
  t.match(directoryMark(home), /^chartwarden\[\d+:\d+\]$/)
  t.equal(recordedPid(home), undefined)
  for (const [content, expected] of [
    ['4711\n/data\n', 4711],
    ['  12 \n', 12],
    ['', undefined],
    ['-1\n', undefined],
    ['12x\n', undefined],
  ] as const) {
    writeFileSync(path.join(home, 'postmaster.pid'), content)
    t.equal(recordedPid(home), expected)
  }
})
