import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))
const launcher = join(root, 'cli/launch.js')

const majorOf = (node: string): number =>
  Number.parseInt(spawnSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout ?? '', 10)

/** A Node of this machine that is too old for main.ts, so that the launcher has to start the other one. */
const oldNode = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((directory) => join(directory, 'node'))
  .find((node) => existsSync(node) && majorOf(node) >= 18 && majorOf(node) < 24)

const skip = oldNode === undefined ? 'this machine has no Node from 18 to 23' : false

/** A copy of the launcher beside a main.ts of the test's own. */
const scratch = (directory: string, main: string, { installed = true } = {}): string => {
  mkdirSync(join(directory, 'cli'), { recursive: true })
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}')
  copyFileSync(launcher, join(directory, 'cli/launch.js'))
  writeFileSync(join(directory, 'cli/main.ts'), main)
  if (installed) symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  return join(directory, 'cli/launch.js')
}

const start = (t: Test, file: string, ...parameters: string[]): ChildProcessWithoutNullStreams => {
  const child = spawn(oldNode as string, [file, ...parameters])
  child.stderr.resume()
  t.teardown(() => void child.kill('SIGKILL'))
  return child
}

/** Waits until the child has printed the text. */
const printed = async (child: ChildProcessWithoutNullStreams, text: string): Promise<string> => {
  let seen = ''
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    seen += chunk
    if (seen.includes(text)) return seen
  }
  throw new Error(`ended before it printed ${text}: ${seen}`)
}

t.test('the launcher starts Node 24 with the same arguments, input and exit code', { skip }, async (t) => {
  const file = scratch(
    t.testdir(),
    `const input: string[] = []
     process.stdin.setEncoding('utf8').on('data', (text: string) => input.push(text)).on('end', () => {
       console.log(JSON.stringify({ major: Number.parseInt(process.versions.node), argv: process.argv.slice(2), input: input.join('') }))
       process.exitCode = 42
     })`,
  )
  const child = start(t, file, 'a b', '--c=*', '')
  child.stdin.end('from outside')
  const seen = JSON.parse(await printed(child, '\n'))
  t.ok(seen.major >= 24)
  t.strictSame(seen.argv, ['a b', '--c=*', ''])
  t.equal(seen.input, 'from outside')
  const [code] = await once(child, 'exit')
  t.equal(code, 42)
})

t.test('a child that a signal ended looks the same from outside', { skip }, async (t) => {
  const child = start(t, scratch(t.testdir(), "process.kill(process.pid, 'SIGKILL')"))
  t.strictSame(await once(child, 'exit'), [null, 'SIGKILL'])
})

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  t.test(`${signal} reaches the child once, and the child decides how it ends`, { skip }, async (t) => {
    const main = `let times = 0
      process.on('${signal}', () => { times += 1; console.log('signalled') })
      process.stdin.on('data', () => { console.log('times ' + times); process.exit(7) })
      console.log('ready')`
    const child = start(t, scratch(t.testdir(), main))
    await printed(child, 'ready')
    child.kill(signal)
    await printed(child, 'signalled')
    child.stdin.write('end')
    t.match(await printed(child, 'times'), 'times 1')
    const [code] = await once(child, 'exit')
    t.equal(code, 7)
  })
}

t.test('a launcher that is killed outright leaves no child behind', { skip }, async (t) => {
  const main = `import { endWithLauncher } from ${JSON.stringify(join(root, 'cli/end-with-launcher.ts'))}
    endWithLauncher()
    setInterval(() => {}, 1000)
    console.log('pid ' + process.pid)`
  const child = start(t, scratch(t.testdir(), main))
  const pid = Number(/pid (\d+)/.exec(await printed(child, '\n'))?.[1])
  t.teardown(() => {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Gone, as it should be.
    }
  })
  child.kill('SIGKILL')
  // The pipe closes only when the last process that holds it has ended: the child of the launcher.
  child.stdout.resume()
  await once(child, 'close', { signal: AbortSignal.timeout(10_000) })
  t.equal(child.signalCode, 'SIGKILL')
})

t.test('the channel to the launcher does not keep a finished command alive', { skip }, async (t) => {
  const main = `import { endWithLauncher } from ${JSON.stringify(join(root, 'cli/end-with-launcher.ts'))}
    endWithLauncher()`
  const child = start(t, scratch(t.testdir(), main))
  const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(10_000) })
  t.equal(code, 0)
})

t.test('without node_modules the launcher says what to run', { skip }, async (t) => {
  const { status, stderr } = spawnSync(oldNode as string, [scratch(t.testdir(), '', { installed: false })], { encoding: 'utf8' })
  t.equal(status, 1)
  t.match(stderr, /npm install/)
  t.notMatch(stderr, /\n\s+at /)
})

t.test('under Node 24 the launcher runs the command line in its own process', async (t) => {
  const file = scratch(t.testdir(), 'console.log(process.pid)')
  const { stdout, pid } = spawnSync(process.execPath, [file], { encoding: 'utf8' })
  t.equal(Number(stdout), pid)
})

t.test('the command itself starts from another directory', { skip }, async (t) => {
  const { status, stdout } = spawnSync(oldNode as string, [launcher, '--version'], { encoding: 'utf8', cwd: dirname(t.testdirName) })
  t.equal(status, 0)
  t.match(stdout, /^\d+\.\d+\.\d+\n$/)
})
