/** No systemd runs here: the unit is read, and its command is run with its environment by an ordinary account. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { connect } from 'node:tls'
import { parseEnv } from 'node:util'
import t from 'tap'
import { formatVerifierKey, verifierKeyOf } from '../../services/audit/log/note.ts'
import { serverAccount } from '../../services/kernel/postgres/server-account.ts'
import { selfSigned } from '../support/certificate.ts'
import { newStateDirectory } from '../support/embedded-service.ts'
import { productionFiles, readDeployFile } from '../support/production-files.ts'
import { runAsNobody } from '../support/run-as-nobody.ts'
import { scratchDirectory } from '../support/service.ts'
import { signingKey } from '../support/signing-key.ts'
import { waitFor } from '../support/wait-for.ts'

const root = path.resolve(import.meta.dirname, '../..')
const unit = readDeployFile('systemd/chartwarden.service')

/** The fingerprint of what is shown there. */
const certificateAt = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.destroy()
    }).on('error', reject)
  })

/** Every value of a directive, in order. */
const values = (directive: string): readonly string[] =>
  [...unit.matchAll(new RegExp(`^${directive}=(.*)$`, 'gm'))].map((found) => found[1] ?? '')

t.test('the unit takes away what the service does not need, and gives it time to stop', async (t) => {
  for (const [directive, value] of Object.entries({
    NoNewPrivileges: 'yes',
    ProtectSystem: 'strict',
    ProtectHome: 'yes',
    PrivateTmp: 'yes',
    CapabilityBoundingSet: '',
    // The second is the signer store, apart from the database.
    StateDirectory: 'chartwarden chartwarden-signer',
    RequiresMountsFor: '/var/lib/chartwarden-signer',
    Restart: 'on-failure',
    // What `cli/exit-codes.ts` calls usage: a restart would not mend it.
    RestartPreventExitStatus: '2',
    KillMode: 'mixed',
  })) {
    t.same(values(directive), [value], directive)
  }
  t.notSame(values('User'), ['root'])
  const drainMs = 10_000
  const databaseStopMs = 45_000
  t.ok(Number(/^(\d+)s$/.exec(values('TimeoutStopSec')[0] ?? '')?.[1]) * 1000 > drainMs + databaseStopMs)
  const secrets = values('LoadCredential').map((credential) => credential.split(':')[0])
  t.same(secrets, ['master.key'], 'the certificate is none: a credential is copied once, and would never be renewed')
  for (const line of values('Environment')) t.notMatch(line, /DATABASE_URL|TOKEN/, 'systemctl show prints these to everybody')
})

const without = spawnSync('systemd-analyze', ['--version']).error === undefined ? false : 'systemd-analyze is not on this machine'

t.test('systemd itself finds no fault with the units', { skip: without }, async (t) => {
  for (const name of ['chartwarden.service', 'chartwarden-witness.service']) {
    const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path.join(root, 'deploy/systemd', name)], { encoding: 'utf8' })
    t.same(
      stderr.split('\n').filter((line) => line.includes(name) && !line.includes('is not executable')),
      [],
      name,
    )
  }
})

t.test('the unit of a witness runs one, which keeps what it has seen in a directory of its own', async (t) => {
  const scratch = scratchDirectory(t, 'witness-unit')
  const text = readDeployFile('systemd/chartwarden-witness.service')
  const directive = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? ''
  t.equal(directive('StateDirectory'), 'chartwarden-witness')
  const given = { ...parseEnv(readDeployFile('systemd/chartwarden-witness.env')), WITNESS_LISTEN: '127.0.0.1:0' } as Record<string, string>
  writeFileSync(
    path.join(scratch, 'logs'),
    `${formatVerifierKey(verifierKeyOf('chartwarden.example.org/v1/clinics/north/log', signingKey('log').privateKey))}\n`,
  )
  const [program = '', ...words] = directive('ExecStart')
    .replaceAll('/opt/chartwarden/node_modules/node/bin/node', process.execPath)
    .replaceAll('/opt/chartwarden', root)
    .replaceAll('/var/lib/chartwarden-witness', path.join(scratch, 'state'))
    .replaceAll('/etc/chartwarden-witness', scratch)
    .replaceAll(/\$\{(\w+)\}/g, (_, name: string) => given[name] ?? '')
    .split(' ')
  chmodSync(scratch, 0o777)
  const witness = runAsNobody(t, { program, arguments: words, cwd: root, environment: { PATH: '/usr/bin:/bin' } })
  await waitFor('its key', () => existsSync(path.join(scratch, 'state')) && readdirSync(path.join(scratch, 'state')).length > 0)
  await waitFor('it to say who it is', () => witness.said().includes('quorum witness.accountant.example'))
  witness.child.kill('SIGTERM')
  t.match((await witness.ended).said, /listens on https:\/\/witness\.accountant\.example; its key was made now/)
})

t.test('its command serves as an ordinary account, with its environment and its credentials, and stops in order', async (t) => {
  const scratch = scratchDirectory(t, 'systemd')
  chmodSync(scratch, 0o755)
  const files = productionFiles(path.join(scratch, 'credentials'))
  // A server's own account must have a name.
  const account = serverAccount('/nonexistent')
  const { stateDir } = newStateDirectory(t, account === undefined ? {} : { account })
  const signerDir = path.join(scratch, 'signer')
  for (const made of [stateDir, signerDir]) {
    mkdirSync(made, { mode: 0o700 })
    if (account !== undefined) chownSync(made, account.uid, account.gid)
  }
  const here = (text: string): string =>
    text
      .replaceAll('/opt/chartwarden/node_modules/node/bin/node', process.execPath)
      .replaceAll('/opt/chartwarden', root)
      .replaceAll('%d', path.dirname(files.masterKey))
      .replaceAll('/etc/chartwarden/tls', path.dirname(files.tlsCert))
      .replaceAll('/var/lib/chartwarden-signer', signerDir)
      .replaceAll('/var/lib/chartwarden', stateDir)
  const [program, ...words] = here(values('ExecStart')[0] ?? '').split(' ') as [string, ...string[]]
  const service = runAsNobody(t, {
    program,
    arguments: words,
    cwd: here(values('WorkingDirectory')[0] ?? ''),
    environment: {
      PATH: '/usr/bin:/bin',
      ...parseEnv(readDeployFile('systemd/chartwarden.env')),
      ...parseEnv(values('Environment').map(here).join('\n')),
      CHARTWARDEN_JWKS: files.jwks,
      CHARTWARDEN_GRPC_ADDR: '127.0.0.1:0',
      CHARTWARDEN_HTTP_ADDR: '127.0.0.1:0',
      CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0',
    },
    ...(account === undefined ? {} : { account }),
  })
  const ready = await service.ready()
  t.match(ready, { mode: 'production', embedded: true })

  const before = await certificateAt(Number(ready['httpPort']))
  const { cert, key } = selfSigned()
  files.write('tls.crt', cert)
  files.write('tls.key', key)
  execFileSync('sh', ['-c', (values('ExecReload')[0] ?? '').replace('$MAINPID', String(service.child.pid))])
  await waitFor('the renewed certificate', async () => (await certificateAt(Number(ready['httpPort']))) !== before)

  await waitFor('the store of the signer', () => readdirSync(signerDir).length > 0)
  t.equal(statSync(signerDir).mode & 0o777, 0o700)

  service.child.kill('SIGTERM')
  t.equal((await service.ended).code, 0)
})
