import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { directoryIdentity, findProcess, listProcesses, stillRuns } from '../../../services/kernel/postgres/process-table.ts'
import { waitFor } from '../../support/wait-for.ts'

const scratch = (test: Test): string => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-test-processes-'))
  test.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

const sleeper = async (test: Test, program = process.execPath, cwd = '/') => {
  const child = spawn(program, ['-e', `process.stdin.resume().once('close', () => process.exit()); process.stdout.write('up')`, 'a word'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd,
  })
  const ended = once(child, 'exit')
  test.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await once(child.stdout, 'data')
  return { child, ended, pid: child.pid as number }
}

t.test('a process is listed with its account, command line and start, and no longer once it has ended', async (t) => {
  const { child, ended, pid } = await sleeper(t)
  const row = findProcess(pid)
  t.match(row, { pid, uid: process.getuid?.() ?? undefined, command: /stdin\.resume.* a word$/ })
  t.strictSame(
    listProcesses().find((listed) => listed.pid === pid),
    row,
  )
  t.ok(row !== undefined && stillRuns(row))
  t.notOk(
    row !== undefined && stillRuns({ ...row, startedAt: `${row.startedAt}0` }),
    'the same number with another start is another process',
  )
  child.kill('SIGKILL')
  await ended
  t.equal(findProcess(pid), undefined)
  t.notOk(row !== undefined && stillRuns(row))
})

t.test('a zombie counts as ended', { skip: process.platform !== 'linux' }, async (t) => {
  // The shell becomes a program that never collects its child.
  const child = spawn('sh', ['-c', 'true & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const [line] = await once(child.stdout, 'data')
  await waitFor('the child to end', () => findProcess(Number(String(line))) === undefined)
  t.doesNotThrow(() => process.kill(Number(String(line)), 0), 'although its number is still taken')
})

t.test('a program whose name holds spaces and parentheses is read right', { skip: process.platform !== 'linux' }, async (t) => {
  const program = path.join(scratch(t), 'a) R (b')
  copyFileSync(process.execPath, program)
  const { pid } = await sleeper(t, program)
  t.match(findProcess(pid), { pid, command: /a\) R \(b -e/, startedAt: /^\d+$/ })
})

t.test('a directory keeps its identity under another name, and a copy has its own', { skip: process.platform === 'win32' }, async (t) => {
  const directory = scratch(t)
  mkdirSync(path.join(directory, 'inner'))
  t.equal(directoryIdentity(path.join(directory, 'inner', '..')), directoryIdentity(directory))
  t.not(directoryIdentity(path.join(directory, 'inner')), directoryIdentity(directory))
})

t.test('the working directory is known for processes of our own', { skip: process.platform !== 'linux' }, async (t) => {
  const directory = scratch(t)
  const { pid } = await sleeper(t, process.execPath, directory)
  t.equal(findProcess(pid)?.workingDirectory, directoryIdentity(directory))
})
