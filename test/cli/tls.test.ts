import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { clientTls } from '../../cli/tls.ts'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { selfSigned } from '../support/certificate.ts'
import { commandLine } from '../support/command-line.ts'
import { grpcDoor } from '../support/grpc-door.ts'

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
const check = ['check', '--clinic', 'north', '--subject', 'staff:a', '--action', 'read', '--resource', 'imaging:1', '--purpose', 'TREAT']

t.test('a token leaves this machine only under TLS, unless that is given up', async (t) => {
  for (const address of ['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1']) t.equal(await clientTls(address, {}), undefined, address)
  for (const address of ['192.0.2.1:1', '[2001:db8::1]:1', 'service.example:1', '127.0.0.1.example:1', 'localhost.example:1']) {
    await t.rejects(clientTls(address, {}), { reason: 'INVALID_ARGUMENT', message: /--tls.*--insecure/ }, address)
    t.equal(await clientTls(address, { insecure: true }), undefined)
    t.strictSame(await clientTls(address, { tls: true }), {})
  }
})

t.test('an address is host:port', async (t) => {
  for (const address of [
    '',
    'localhost',
    '127.0.0.1:',
    ':50051',
    '::1:50051',
    'localhost:65536',
    'localhost:0',
    'dns:///a:1',
    'http://a:1',
  ]) {
    for (const options of [{}, { tls: true }, { insecure: true }] as const) {
      await t.rejects(clientTls(address, options), { reason: 'INVALID_ARGUMENT', message: /host:port/ }, address)
    }
  }
})

t.test('a file of authorities holds PEM certificates', async (t) => {
  const file = join(t.testdir(), 'ca.pem')
  const { cert, key } = selfSigned()
  for (const [wrong, message] of [
    ['', /no PEM certificate/],
    ['not a certificate', /no PEM certificate/],
    [key, /no PEM certificate/],
    ['-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n', /cannot be read/],
    [`${cert}-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n`, /cannot be read/],
  ] as const) {
    writeFileSync(file, wrong)
    await t.rejects(clientTls('127.0.0.1:1', { tlsCa: file }), { reason: 'INVALID_ARGUMENT', message })
  }
  writeFileSync(file, `Our own authority\n${cert}${selfSigned().cert}`)
  t.match(await clientTls('127.0.0.1:1', { tlsCa: file }), { ca: Buffer })
})

t.test('the command refuses before it sends anything, with 2 and one line', async (t) => {
  const chartwarden = commandLine({ CHARTWARDEN_TOKEN: 'secret' })
  for (const argv of [
    ['--address', 'service.example:50051'],
    ['--address', 'no port'],
    ['--insecure', '--tls'],
    ['--insecure', '--tls-ca', 'ca.pem'],
  ]) {
    const { code, err } = await chartwarden(...check, ...argv)
    t.equal(code, 2, argv.join(' '))
    t.match(err, /^chartwarden: .*\n$/)
    t.notMatch(err, /secret/)
  }
  t.equal((await commandLine({ CHARTWARDEN_TOKEN: 'x', CHARTWARDEN_GRPC_ADDR: 'service.example:1' })(...check)).code, 2)
})

t.test('a service is reached under an authority that signed its certificate, and under no other', async (t) => {
  const tls = selfSigned()
  const door = await grpcDoor(t, { tls, handlers: { check: async ({ requestId }) => ({ requestId, decision: Decision.PERMIT }) } })
  const files = t.testdir({ 'own.pem': tls.cert.toString(), 'other.pem': selfSigned().cert.toString() })
  const chartwarden = commandLine({ CHARTWARDEN_GRPC_ADDR: door.address, CHARTWARDEN_TOKEN: door.token() })
  t.match(await chartwarden(...check, '--tls-ca', join(files, 'own.pem')), { code: 0, out: /^permit/ })
  for (const options of [['--tls-ca', join(files, 'other.pem')], ['--tls'], []]) {
    t.match(await chartwarden(...check, '--timeout', '5', ...options), { code: 5, out: '' }, options.join(' '))
  }
})

t.test('a connection that does not come about says why and what to do, and its own words where they are asked for', async (t) => {
  const tls = selfSigned()
  const [from, until] = [new Date(Date.now() - 172_800_000), new Date(Date.now() - 86_400_000)]
  const elsewhere = selfSigned(undefined, undefined, { host: 'service.example', address: '192.0.2.1' })
  const expired = selfSigned(from, until)
  const plain = await grpcDoor(t)
  const doors = {
    tls: await grpcDoor(t, { tls }),
    elsewhere: await grpcDoor(t, { tls: elsewhere }),
    expired: await grpcDoor(t, { tls: expired }),
    asking: await grpcDoor(t, { tls: { ...tls, clientCa: selfSigned().cert } }),
  }
  const directory = t.testdir({
    'own.pem': tls.cert.toString(),
    'other.pem': selfSigned().cert.toString(),
    'elsewhere.pem': elsewhere.cert.toString(),
    'expired.pem': expired.cert.toString(),
  })
  const trusting = (name: string): readonly string[] => ['--tls-ca', join(directory, `${name}.pem`)]
  const cases: readonly (readonly [what: string, address: string, options: readonly string[], told: RegExp])[] = [
    ['no TLS to a service with it', doors.tls.address, [], /it may speak TLS, so call it with --tls or --tls-ca/],
    ['an authority that is not trusted', doors.tls.address, trusting('other'), /is not trusted \(self-signed certificate\).*--tls-ca/],
    ['the authorities of Node', doors.tls.address, ['--tls'], /is not trusted \(self-signed certificate\).*--tls-ca/],
    ['another name', doors.elsewhere.address, trusting('elsewhere'), /for another name \(ERR_TLS_CERT_ALTNAME_INVALID\)/],
    ['a certificate that is over', doors.expired.address, trusting('expired'), /has expired \(CERT_HAS_EXPIRED\)/],
    ['no client certificate', doors.asking.address, trusting('own'), /asks for a client certificate.*--tls-cert/],
    ['TLS to a service without it', plain.address, trusting('own'), /does not speak TLS at this address; leave out --tls/],
    ['nobody there', '127.0.0.1:1', [], /cannot be reached \(ECONNREFUSED\); check its address/],
    ['no such name', 'no-such-host.invalid:1', ['--tls'], /name of the service cannot be resolved/],
  ]
  const chartwarden = commandLine({ CHARTWARDEN_TOKEN: doors.tls.token() })
  for (const [what, address, options, told] of cases) {
    const asked = [...check, '--address', address, '--timeout', '10', ...options]
    const { code, out, err } = await chartwarden(...asked)
    t.strictSame([code, out], [5, ''], what)
    t.match(err, told, what)
    t.match(err, /^chartwarden: .*\(SERVICE_UNREACHABLE\)\n$/, what)
    t.match((await chartwarden(...asked, '--verbose')).err, /\n {2}connection: (?:No connection established|Name resolution failed)/, what)
  }
})

t.test('a service called by its address over TLS is answered without a word of the runtime; the twin has one', async (t) => {
  const tls = selfSigned()
  const door = await grpcDoor(t, { tls, handlers: { check: async ({ requestId }) => ({ requestId, decision: Decision.PERMIT }) } })
  const authority = join(t.testdir({ 'own.pem': tls.cert.toString() }), 'own.pem')
  const run = async (...options: readonly string[]) => {
    const child = spawn(process.execPath, [...options, main, ...check, '--address', door.address, '--tls-ca', authority], {
      env: { ...process.env, CHARTWARDEN_TOKEN: door.token() },
    })
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    return { out, err, code }
  }
  t.match(await run(), { code: 0, out: /^permit/, err: '' })
  t.match(await run('--trace-deprecation'), { code: 0, err: /DEP0123/ }, 'twin')
})

t.test('a service that asks for client certificates is reached with one, from the options or the variables, and not without', async (t) => {
  const [server, client] = [selfSigned(), selfSigned()]
  const tls = { ...server, clientCa: client.cert }
  const door = await grpcDoor(t, { tls, handlers: { check: async ({ requestId }) => ({ requestId, decision: Decision.PERMIT }) } })
  const directory = t.testdir({
    'ca.pem': server.cert.toString(),
    'own.crt': client.cert.toString(),
    'own.key': client.key.toString(),
    'other.key': selfSigned().key.toString(),
  })
  const file = (name: string): string => join(directory, name)
  const environment = { CHARTWARDEN_GRPC_ADDR: door.address, CHARTWARDEN_TOKEN: door.token() }
  const trusted = ['--tls-ca', file('ca.pem'), '--timeout', '5']
  const chartwarden = commandLine(environment)
  const shown = ['--tls-cert', file('own.crt'), '--tls-key', file('own.key')]
  t.match(await chartwarden(...check, ...trusted, ...shown), { code: 0, out: /^permit/ })
  const variables = { CHARTWARDEN_CLIENT_CERT_FILE: file('own.crt'), CHARTWARDEN_CLIENT_KEY_FILE: file('own.key') }
  t.match(await commandLine({ ...environment, ...variables })(...check, ...trusted), { code: 0, out: /^permit/ })
  t.match(await chartwarden(...check, ...trusted), { code: 5, out: '' }, 'twin')
  for (const [options, message] of [
    [['--tls-cert', file('own.crt')], /needs its key/],
    [['--tls-key', file('own.key')], /needs its key/],
    [['--tls-cert', file('own.crt'), '--tls-key', file('other.key')], /does not belong/],
    [['--tls-cert', file('own.key'), '--tls-key', file('own.crt')], /are not a PEM certificate/],
    [['--tls-cert', file('none.crt'), '--tls-key', file('own.key')], /cannot be read/],
    [['--insecure', ...shown], /--insecure/],
  ] as const) {
    const refused = await chartwarden(...check, ...options)
    t.match(refused, { code: 2, err: message }, options.join(' '))
    t.notMatch(refused.err, /PRIVATE/)
  }
})
