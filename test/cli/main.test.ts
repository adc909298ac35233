import { spawnSync } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
const skip = existsSync('/dev/full') ? false : 'this machine has no /dev/full'

const runFull = (...argv: string[]) =>
  spawnSync(process.execPath, [main, ...argv], { encoding: 'utf8', stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'] })

t.test('output that cannot be written is said in one line and ends with 8', { skip }, async (t) => {
  const { status, stderr } = runFull('help')
  t.equal(status, 8)
  t.match(stderr, /^chartwarden: The output cannot be written \(ENOSPC\).*\n$/)
  const machine = runFull('help', '--json')
  t.equal(machine.status, 8)
  t.match(JSON.parse(machine.stderr), { error: { reason: 'INCOMPLETE', exit_code: 8 } })
})

t.test('messages that cannot be written change no exit code', { skip }, async (t) => {
  const full = openSync('/dev/full', 'w')
  t.equal(spawnSync(process.execPath, [main, 'chek'], { stdio: ['ignore', 'ignore', full] }).status, 2)
})
