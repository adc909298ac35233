/** Does what README and tutorial say, as somebody would who has just cloned the repository: in a copy, by the shell, with the Node that is there. */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { documentedCommands } from './support/documented-commands.ts'
import { scratchDirectory } from './support/service.ts'

// An npm install of its own, on a machine that runs other tests meanwhile.
t.setTimeout(900_000)

const root = path.resolve(import.meta.dirname, '..')

/** What a clone would hold if everything here were committed. */
const copyCheckout = (test: Test): string => {
  const copy = scratchDirectory(test, 'readme')
  // The files may belong to another user than the one who runs the tests.
  const listed = execFileSync('git', ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  })
  for (const file of listed.toString('utf8').split('\0')) {
    if (file !== '' && existsSync(path.join(root, file))) cpSync(path.join(root, file), path.join(copy, file))
  }
  return copy
}

/** The environment of a login shell: nothing of the npm and the Node that run this test. */
const userEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .filter((directory) => !directory.includes('node_modules'))
    .join(path.delimiter),
  HOME: process.env['HOME'],
  TMPDIR: process.env['TMPDIR'],
  npm_config_prefer_offline: 'true',
  CHARTWARDEN_GRPC_ADDR: '127.0.0.1:0',
  CHARTWARDEN_HTTP_ADDR: '127.0.0.1:0',
  CHARTWARDEN_METRICS_ADDR: 'off',
})

interface Ran {
  readonly code: number | null
  readonly output: string
}

const run = (command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', command], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })

interface Started {
  readonly grpcPort: number
  /** The commands it suggests. */
  readonly suggested: readonly string[]
  /** Everything it said, so far. */
  output(): string
  /** Signals it as a terminal or a supervisor does, and waits until nothing of it is left. */
  stop(): Promise<void>
}

/** Runs the command until it has printed three commands to go on with. */
const start = async (test: Test, command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Started> => {
  const child = spawn('sh', ['-c', command], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const lines: string[] = []
  // The pipes stay open as long as any process of it lives.
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    try {
      process.kill(-(child.pid as number), signal)
    } catch {
      // It has ended already.
    }
    await ended
  }
  test.teardown(() => stop('SIGKILL'))
  const suggested = await new Promise<readonly string[]>((resolve, reject) => {
    const found: string[] = []
    createInterface(child.stderr).on('line', (line) => lines.push(line))
    createInterface(child.stdout).on('line', (line) => {
      lines.push(line)
      const command = /^ {2}(.*\bnpx chartwarden .*)$/.exec(line)?.[1]
      if (command !== undefined) found.push(command)
      if (found.length === 3) resolve(found)
    })
    void ended.then(() => reject(new Error(`"${command}" ended too early:\n${lines.join('\n')}`)))
  })
  const ready = lines.find((line) => line.includes('"service.ready"')) ?? '{}'
  const { grpcPort } = JSON.parse(ready) as { readonly grpcPort: number }
  return { grpcPort, suggested, output: () => lines.join('\n'), stop }
}

t.test('the README names scripts that exist', async (t) => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>
  }
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8')
  t.match(readme, /^npm install && npm start$/m)
  t.match(readme, /^npm install && npm test$/m)
  t.ok(scripts['start'])
  t.ok(scripts['test'])
})

t.test('a new user installs, starts, pastes what is suggested, follows the tutorial and stops', async (t) => {
  const copy = copyCheckout(t)
  const user = userEnvironment()
  const [first, ...others] = documentedCommands(path.join(root, 'README.md'))
  t.same(others, [], 'one command is tried here; another would need a test')

  const service = await start(t, first?.command ?? '', copy, user)
  const reader = { ...user, CHARTWARDEN_GRPC_ADDR: `127.0.0.1:${service.grpcPort}` }

  const expected = [/p-1003.*\d+ rows, complete to revision \d+/s, /^permit: /m, /staff:d-3.*1 row, complete to revision \d+/s]
  for (const [index, command] of service.suggested.entries()) {
    const { code, output } = await run(command, copy, user)
    t.equal(code, 0, command)
    t.match(output, expected[index], command)
  }

  const tutorial = documentedCommands(path.join(root, 'docs/tutorial/first-day.md'))
  t.ok(tutorial.length > 5, 'the tutorial has commands')
  const said: string[] = []
  for (const { command, exits } of tutorial) {
    const { code, output } = await run(command, copy, reader)
    t.equal(code, exits, command)
    if (code !== exits) t.comment(output)
    said.push(output)
  }
  t.match(said.join(''), /permit: role_permits.*deny: no_grant.*deny: offboarded.*after_exit/s)

  await service.stop()
  t.match(service.output(), /"service\.stopped"/, 'it said that it stopped')
  t.notOk(existsSync(path.join(copy, '.chartwarden/postgres/data/postmaster.pid')), 'its database was shut down')
})
