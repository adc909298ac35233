/** `chartwarden witness` as somebody types it. */
import https from 'node:https'
import path from 'node:path'
import t from 'tap'
import { originHash } from '../../../services/audit/log/witness/witness-records.ts'
import { createWitnessClient } from '../../../services/audit/log/witness-client.ts'
import { selfSigned } from '../../support/certificate.ts'
import { commandLine } from '../../support/command-line.ts'
import { scratchDirectory } from '../../support/service.ts'
import { startTestWitness } from '../../support/test-witness.ts'
import { startWitnessProcess } from '../../support/witness-process.ts'
import { forkedTree, witnessedLog } from '../../support/witnessed-log.ts'

t.setTimeout(240_000)

const chartwarden = commandLine({})
const log = witnessedLog()
const south = witnessedLog('log.example/v1/clinics/south/log')

t.test('the first start makes a key and prints what the clinic needs; the next one finds it', async (t) => {
  const directory = path.join(scratchDirectory(t, 'witness'), 'made', 'here')
  const argv = ['--state-dir', directory, '--log', log.vkey]
  const first = await startWitnessProcess(t, ...argv, '--name', 'accountant.example')
  t.match(first.policy[0], /^witness accountant\.example accountant\.example\+[0-9a-f]{8}\+\S+ http:\/\/127\.0\.0\.1:\d+$/)
  t.equal(first.policy[1], 'quorum accountant.example')
  t.equal((await fetch(`${first.url}/add-checkpoint`, { method: 'POST', body: log.request(0, 9) })).status, 200)
  t.equal(await first.stop('SIGTERM'), 0)
  const again = await startWitnessProcess(t, ...argv, '--url', 'https://witness.accountant.example')
  t.equal(again.policy[0]?.split(' ')[2], first.policy[0]?.split(' ')[2])
  t.equal(again.policy[0]?.split(' ')[3], 'https://witness.accountant.example')
  t.equal(await again.stop('SIGINT'), 0)
})

t.test('logs come from a file, with comments, lines of a policy and several keys of one log', async (t) => {
  const renewed = witnessedLog(log.origin)
  const text = `# The clinics I look after\n\n${log.vkey}\r\nlog ${south.vkey} https://log.example/south\n${renewed.vkey}\n`
  const file = path.join(t.testdir({ 'clinics.txt': text }), 'clinics.txt')
  const witness = await startWitnessProcess(t, '--state-dir', scratchDirectory(t, 'witness'), '--name', 'w.example', '--log', file)
  const status = async (body: string) => (await fetch(`${witness.url}/add-checkpoint`, { method: 'POST', body })).status
  t.equal(await status(log.request(0, 5)), 200)
  t.equal(await status(renewed.request(5, 9)), 200, 'either key of the log')
  t.equal(await status(south.request(0, 5)), 200)
})

t.test('what somebody has to look at is said at once, and nothing else', async (t) => {
  const witness = await startWitnessProcess(t, '--state-dir', scratchDirectory(t, 'witness'), '--name', 'w.example', '--log', log.vkey)
  const post = async (body: string) => (await fetch(`${witness.url}/add-checkpoint`, { method: 'POST', body })).text()
  await post(log.request(0, 9))
  await post(log.request(0, 12))
  await post(log.request(9, 12))
  t.same(witness.told, [])
  await post(log.request(12, 12, { tree: forkedTree(40, 3) }))
  await post(log.request(0, 5))
  await post(log.request(12, 20, { tree: forkedTree(40, 3) }))
  for (let again = 0; again < 10; again += 1) await post(log.request(0, 5))
  await witness.stop()
  t.same(
    witness.told.map((line) => JSON.parse(line) as Record<string, unknown>).map(({ answer, size, times = 1 }) => [answer, size, times]),
    [
      ['fork', '12', 1],
      ['conflict', '5', 1],
      ['not_proven', '20', 1],
      ['conflict', '5', 10],
    ],
    'what is sent again and again is told once, and the tenth time',
  )
})

t.test('its status names every log and, loudly, the proof of a fork', async (t) => {
  const witness = await startTestWitness(t, { logs: [log, south], name: 'w.example' })
  const status = (...argv: readonly string[]) => chartwarden('witness', 'status', '--state-dir', witness.directory, ...argv)
  t.match((await status()).out, /^w\.example\+\S+\nNothing was cosigned yet\.\n$/)
  await witness.post(log.request(0, 9))
  await witness.post(south.request(0, 4))
  const quiet = await status()
  t.equal(quiet.code, 0)
  t.match(quiet.out, /log\.example\/v1\/clinics\/north\/log +9 +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +none seen\n/)
  t.equal((await status('--checkpoint', log.origin)).out, witness.records()[0]?.note)
  const unknown = await status('--checkpoint', 'another')
  t.equal(unknown.code, 2)
  t.match(unknown.err, /It knows: log\.example\S+, log\.example\S+\./)
  await witness.post(log.request(9, 9, { tree: forkedTree(40, 3) }))
  const loud = await status('--json')
  t.equal(loud.code, 10)
  const { logs, forks } = JSON.parse(loud.out) as { logs: { origin: string; size: string; fork?: string }[]; forks: string[] }
  t.same(
    logs.map(({ origin, size, fork }) => [origin, size, fork !== undefined]),
    [
      [log.origin, '9', true],
      [south.origin, '4', false],
    ].sort(([one], [other]) => (originHash(one as string) < originHash(other as string) ? -1 : 1)),
  )
  t.equal(forks.length, 1)
})

const directory = () => scratchDirectory(t, 'refused')
const serve = (...argv: readonly string[]) =>
  chartwarden('witness', 'serve', '--state-dir', directory(), '--listen', '127.0.0.1:0', ...argv)

t.test('what cannot be meant is refused before anything is made', async (t) => {
  const empty = path.join(t.testdir({ empty: '# nobody yet\n', odd: 'log nonsense\n' }), 'empty')
  const witnessKey = (await startTestWitness(t, { logs: [log] })).policyLine.split(' ')[2] as string
  for (const [argv, words] of [
    [['--name', 'w.example'], /--log/],
    [['--name', 'w.example', '--log', path.join(empty, '..', 'missing')], /cannot be read/],
    [['--name', 'w.example', '--log', empty], /name no log/],
    [['--name', 'w.example', '--log', path.join(empty, '..', 'odd')], /is no verifier key of a log/],
    [['--name', 'w.example', '--log', witnessKey], /is the key of a witness, not of a log/],
    [['--log', log.vkey], /Give it a name/],
    [['--name', 'two words', '--log', log.vkey], /The name of a witness/],
    [['--name', 'w.example', '--log', log.vkey, '--certificate', 'c.pem'], /belong together/],
    [['--name', 'w.example', '--log', log.vkey, '--certificate', 'c.pem', '--private-key', 'k.pem'], /cannot be read: ENOENT/],
    [['--name', 'w.example', '--log', log.vkey, '--listen', 'here'], /host:port/],
  ] as const) {
    const { code, err } = await serve(...argv)
    t.equal(code, 2, argv.join(' '))
    t.match(err, words, argv.join(' '))
  }
  const none = await chartwarden('witness', 'status', '--state-dir', directory())
  t.equal(none.code, 2)
  t.match(none.err, /There is no witness in/)
})

t.test('a directory in use, and an address in use, may be free later', async (t) => {
  const witness = await startTestWitness(t, { logs: [log] })
  const second = await chartwarden('witness', 'serve', '--state-dir', witness.directory, '--log', log.vkey)
  t.equal(second.code, 5)
  t.match(second.err, /is in use by process \d+; stop that witness first/)
  const { code, err } = await serve('--name', 'w.example', '--log', log.vkey, '--listen', new URL(witness.url).host)
  t.equal(code, 5)
  t.match(err, /cannot listen on/)
})

t.test('over TLS it is reached by whoever trusts its certificate', async (t) => {
  const { cert, key } = selfSigned()
  const files = t.testdir({ 'cert.pem': cert.toString(), 'key.pem': key.toString() })
  const [certificate, privateKey] = [path.join(files, 'cert.pem'), path.join(files, 'key.pem')]
  const argv = ['--state-dir', scratchDirectory(t, 'witness'), '--name', 'w.example', '--log', log.vkey]
  const witness = await startWitnessProcess(t, ...argv, '--certificate', certificate, '--private-key', privateKey)
  t.match(witness.url, /^https:/)
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const options = { method: 'POST', ca: cert, servername: 'localhost', agent: false }
    const request = https.request(`${witness.url}/add-checkpoint`, options, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('error', reject)
    request.end(log.request(0, 9))
  })
  t.equal(status, 200)
  const { kind } = await createWitnessClient({ url: witness.url, key: log.key }).addCheckpoint(
    { oldSize: 0n, proof: [], ...log.head(9) },
    new AbortController().signal,
  )
  t.equal(kind, 'unavailable', 'twin: the client of a service that does not trust it talks to nobody')
})
