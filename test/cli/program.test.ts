import { join } from 'node:path'
import t from 'tap'
import { createProgram, everyCommand } from '../../cli/program.ts'
import { commandLine } from '../support/command-line.ts'
import { grpcDoor } from '../support/grpc-door.ts'

const check = ['check', '--clinic', 'c', '--subject', 'staff:a', '--action', 'read', '--resource', 'imaging:1', '--purpose', 'TREAT']

t.test('help and version are success', async (t) => {
  const chartwarden = commandLine({})
  for (const argv of [['--help'], ['help'], ['check', '--help'], ['report', 'access', '--help'], ['help', 'staff']]) {
    const { code, out, err } = await chartwarden(...argv)
    t.equal(code, 0, argv.join(' '))
    t.match(out, /Usage: chartwarden/)
    t.equal(err, '')
  }
  t.match((await chartwarden('--version')).out, /^\d+\.\d+\.\d+\n$/)
})

t.test('a command line that is wrong ends with 2 and says what is wrong in one line', async (t) => {
  const chartwarden = commandLine({})
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['chek'], /unknown command 'chek'.*check/],
    [['check'], /--clinic/],
    [[...check, '--frobnicate'], /--frobnicate/],
    [[...check, '--clinic', 'Not A Clinic'], /lower-case/],
    [[...check, 'extra'], /too many arguments/],
    [[...check, '--subject', 'a'], /type:id/],
    [[...check, '--timeout', '0'], /1 to 86400/],
    [['offboard', '--clinic', 'c', '--reason', 'r'], /person/],
    [['offboard', 'staff:a', '--clinic', 'c'], /--reason/],
    [['staff', 'revoke', 'staff:a', '--clinic', 'c', '--reason', 'r'], /--role.*--grant/],
    [['report', 'grants', '--clinic', 'c', '--format', 'xml'], /table, csv, ndjson/],
    [['report', 'access', '--clinic', 'c', '--from', 'yesterday'], /offset/],
    [['ledger', 'read', '--clinic', 'c', '--from', '-1'], /whole number/],
    [['token', '--clinic', 'c', '--scope', 'everything'], /everything/],
    [['import', 'roles', 'no-such-file.csv', '--clinic', 'c'], /cannot be read/],
    [[...check, '--token', '@no-such-file'], /no-such-file/],
    [[...check, '--token', 'x', '--tls-ca', 'no-such-file'], /no-such-file/],
  ]
  for (const [argv, message] of wrong) {
    const { code, out, err } = await chartwarden(...argv)
    t.equal(code, 2, argv.join(' '))
    t.equal(out, '')
    t.match(err, message)
    t.equal(err.trimEnd().split('\n').length, 1, err)
    const machine = await chartwarden(...argv, '--json')
    t.equal(machine.code, 2)
    t.match(JSON.parse(machine.err), { error: { message, exit_code: 2 } })
  }
})

t.test('a group without a command shows its help and ends with 2', async (t) => {
  for (const argv of [[], ['staff'], ['report'], ['ledger']]) {
    const { code, err } = await commandLine({})(...argv)
    t.equal(code, 2)
    t.match(err, /Usage: chartwarden/)
  }
})

t.test('without a token and a development key the command says how to get either', async (t) => {
  const state = join(t.testdir(), 'state')
  const { code, err } = await commandLine({ CHARTWARDEN_STATE_DIR: state })(...check)
  t.equal(code, 4)
  t.match(err, /--token.*TOKEN_MISSING/)
  t.ok(err.includes(state))
})

t.test('a service that was never reached ends with 5, and nothing can have been carried out', async (t) => {
  const { code, err } = await commandLine({ CHARTWARDEN_GRPC_ADDR: '127.0.0.1:1', CHARTWARDEN_TOKEN: 'x' })(...check, '--timeout', '5')
  t.equal(code, 5)
  t.match(err, /SERVICE_UNREACHABLE/)
  t.notMatch(err, /carried out/)
})

t.test('a call that was lost on the way names the request to repeat', async (t) => {
  const door = await grpcDoor(t, { handlers: { check: () => new Promise(() => {}) } })
  const chartwarden = commandLine({ CHARTWARDEN_GRPC_ADDR: door.address, CHARTWARDEN_TOKEN: door.token() })
  const { code, err } = await chartwarden(...check, '--clinic', 'north', '--timeout', '1')
  t.equal(code, 5)
  t.match(err, /may have been carried out: repeat it with --request-id [0-9a-f-]{36}/)
})

t.test('a variable that is misspelt is told of once, on stderr, with the one that was meant', async (t) => {
  const door = await grpcDoor(t)
  const known = { CHARTWARDEN_GRPC_ADDR: door.address, CHARTWARDEN_TOKEN: door.token() }
  const asked = [...check, '--clinic', 'north', '--request-id', 'a3c1f0de-0000-4000-8000-000000000001']
  const quiet = await commandLine({ ...known, PATH: '/bin', CHARTWARDENS: 'x' })(...asked)
  const misspelt = { ...known, CHARTWARDEN_TOKN: 'secret', CHARTWARDEN_ADRESS: 'secret' }
  const { code, out, err } = await commandLine(misspelt)(...asked)
  t.strictSame([code, out], [quiet.code, quiet.out])
  t.notMatch(quiet.err, /variable/, 'twin')
  t.match(err, /^Note: CHARTWARDEN_TOKN is not a variable of this version and is ignored; did you mean CHARTWARDEN_TOKEN\?\n/)
  t.equal(err.match(/CHARTWARDEN_ADRESS is not a variable of this version and is ignored; commands read CHARTWARDEN_GRPC_ADDR/g)?.length, 1)
  t.notMatch(err, /secret/)
  const machine = await commandLine(misspelt)(...asked, '--json')
  t.equal(machine.out, (await commandLine(known)(...asked, '--json')).out, 'results are as without it')
  t.match(JSON.parse(machine.err.split('\n')[0] ?? ''), { notes: [/CHARTWARDEN_TOKN/, /CHARTWARDEN_ADRESS/] })
})

t.test('every command takes --json and describes itself and its options', async (t) => {
  const program = createProgram(() => async () => undefined)
  for (const command of everyCommand(program)) {
    t.not(command.description(), '', command.name())
    for (const option of command.options) t.not(option.description, '', `${command.name()} ${option.flags}`)
  }
  t.ok(program.options.some((option) => option.long === '--json'))
})
