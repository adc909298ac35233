import { spawnSync } from 'node:child_process'
import t from 'tap'
import { placeOf, suggestions } from '../../../cli/demo/suggestions.ts'

t.test('under the defaults the commands are plain', async (t) => {
  const commands = suggestions(placeOf('127.0.0.1:50051', '.chartwarden'))
  t.equal(commands.length, 3)
  for (const command of commands) t.match(command, /^npx chartwarden [a-z ]+--clinic demo/)
})

t.test('elsewhere they carry address and state directory through a shell unharmed', { skip: process.platform === 'win32' }, async (t) => {
  const stateDirectory = "/tmp/it's a $(date) `dir`"
  for (const command of suggestions(placeOf('[::1]:1234', stateDirectory))) {
    const show = 'printf "%s\\n" "$CHARTWARDEN_STATE_DIR" "$@"'
    const [assignment, words] = command.split('npx chartwarden ') as [string, string]
    const { stdout } = spawnSync('sh', ['-c', `${assignment} sh -c '${show}' sh ${words}`], { encoding: 'utf8' })
    const lines = stdout.split('\n')
    t.equal(lines[0], stateDirectory)
    t.equal(lines[lines.indexOf('--address') + 1], '[::1]:1234')
  }
})
