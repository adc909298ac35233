import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import t from 'tap'

const module = new URL('../../cli/end-with-launcher.ts', import.meta.url).href

/** Says its process id, then waits until it is told to end, as the service does. */
const program = `
  const { endWithLauncher } = await import(${JSON.stringify(module)})
  const waiting = setInterval(() => {}, 60_000)
  process.on('SIGTERM', () => { console.log('told to end'); clearInterval(waiting) })
  endWithLauncher()
  console.log(process.pid)`

t.test('a process started by npm ends when the shell in between is killed', async (t) => {
  // The second command keeps the shell from becoming the first.
  const shell = spawn('sh', ['-c', '"$NODE" --input-type=module --eval "$PROGRAM"; true'], {
    env: { PATH: process.env['PATH'], NODE: process.execPath, PROGRAM: program, npm_lifecycle_event: 'start' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface(shell.stdout)[Symbol.asyncIterator]()
  const pid = Number((await lines.next()).value)
  t.ok(pid > 0 && pid !== shell.pid)
  let ended = false
  t.teardown(() => ended || process.kill(pid, 'SIGKILL'))
  shell.kill('SIGTERM')
  t.equal((await lines.next()).value, 'told to end')
  ended = (await lines.next()).done === true
  t.ok(ended, 'its output is closed')
})
