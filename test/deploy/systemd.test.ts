/** No systemd runs here: the unit is read, and its command is run with its environment by an ordinary account. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { connect } from 'node:tls'
import { parseEnv } from 'node:util'
import t from 'tap'
import { serverAccount } from '../../services/kernel/postgres/server-account.ts'
import { selfSigned } from '../support/certificate.ts'
import { newStateDirectory } from '../support/embedded-service.ts'
import { productionFiles, readDeployFile } from '../support/production-files.ts'
import { runAsNobody } from '../support/run-as-nobody.ts'
import { scratchDirectory } from '../support/service.ts'
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
    StateDirectory: 'chartwarden',
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

t.test('systemd itself finds no fault with the unit', { skip: without }, async (t) => {
  const file = path.join(root, 'deploy/systemd/chartwarden.service')
  const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
  t.same(
    stderr.split('\n').filter((line) => line.includes('chartwarden.service') && !line.includes('is not executable')),
    [],
  )
})

t.test('its command serves as an ordinary account, with its environment and its credentials, and stops in order', async (t) => {
  const scratch = scratchDirectory(t, 'systemd')
  chmodSync(scratch, 0o755)
  const files = productionFiles(path.join(scratch, 'credentials'))
  // A server's own account must have a name.
  const account = serverAccount('/nonexistent')
  const { stateDir } = newStateDirectory(t, account === undefined ? {} : { account })
  mkdirSync(stateDir, { mode: 0o700 })
  if (account !== undefined) chownSync(stateDir, account.uid, account.gid)
  const here = (text: string): string =>
    text
      .replaceAll('/opt/chartwarden/node_modules/node/bin/node', process.execPath)
      .replaceAll('/opt/chartwarden', root)
      .replaceAll('%d', path.dirname(files.masterKey))
      .replaceAll('/etc/chartwarden/tls', path.dirname(files.tlsCert))
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

  service.child.kill('SIGTERM')
  t.equal((await service.ended).code, 0)
})
