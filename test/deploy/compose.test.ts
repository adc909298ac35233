/** No engine runs here: the file is read as Compose reads it, and what it hands to the services is run. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import t from 'tap'
import { parse } from 'yaml'
import { readDatabaseConfig } from '../../services/kernel/config.ts'
import { parseKurrentUrl } from '../../services/kernel/kurrent-url.ts'
import { readSecretFiles } from '../../services/kernel/secret-files.ts'
import { readDeployFile, serverOfPostgresSql } from '../support/production-files.ts'
import { scratchDirectory } from '../support/service.ts'

interface ComposeService {
  readonly image: string
  readonly profiles?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly user?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly privileged?: boolean
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly string[]
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly stop_grace_period?: string
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>> | readonly string[]
}

const deploy = path.resolve(import.meta.dirname, '../../deploy')
const text = readDeployFile('compose.yaml')
const compose = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
}
const services = Object.entries(compose.services)
/** Where nobody else is to call, nobody outside is asked, a witness is only tried out, and the ledgers are in Postgres. */
const optional = new Set(['DEPLOY_BIND', 'CHARTWARDEN_WITNESS_POLICY', 'DEPLOY_WITNESS_NAME', 'DEPLOY_KURRENTDB_URL'])

t.test('no service can write to its image, gain a right, or be reached by accident', async (t) => {
  for (const [name, service] of services) {
    t.equal(service.read_only, true, `${name}: read-only`)
    t.same(service.cap_drop, ['ALL'], `${name}: no capability`)
    t.same(service.cap_add, undefined, name)
    t.same(service.security_opt, ['no-new-privileges:true'], name)
    t.not(service.privileged, true)
    for (const port of service.ports ?? []) t.match(port, /^(127\.0\.0\.1|\$\{DEPLOY_BIND:-127\.0\.0\.1\}):/, `${name}: ${port}`)
  }
  t.same(compose.networks['database'], { internal: true })
})

t.test('nothing has a default password, and no secret stands in an environment', async (t) => {
  for (const [, variable, rest] of text.matchAll(/\$\{(\w+)([^}]*)\}/g)) {
    t.ok(rest?.startsWith(':?') || optional.has(variable ?? ''), `${variable} is refused when it is missing`)
  }
  for (const [name, service] of services) {
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      if (/PASSWORD|_URL$|KEY|TOKEN/.test(variable))
        t.match(value, /^(@?\/run\/(secrets|tls|kurrentdb)\/[\w.]+|\$\{DEPLOY_KURRENTDB_URL:-\})$/, `${name}: ${variable}`)
    }
    const inText = [...JSON.stringify(service).matchAll(/\/run\/secrets\/([\w.]+\w)/g)].map((found) => found[1])
    for (const secret of inText) t.ok(service.secrets?.includes(secret ?? ''), `${name} is given ${secret}`)
    for (const secret of service.secrets ?? []) t.ok(secret in compose.secrets, secret)
  }
  t.same(
    services.filter(([, service]) => service.secrets?.includes('migrator.url')).map(([name]) => name),
    ['postgres', 'migrate'],
    'the service itself does not hold the login that may change tables',
  )
})

t.test('what was signed is on a volume of its own, which one service alone writes', async (t) => {
  const mounted = (volume: string) =>
    services.flatMap(([name, { volumes = [] }]) => (volumes.some((each) => each.startsWith(`${volume}:`)) ? [name] : []))
  t.same(mounted('signer'), ['chartwarden'])
  t.same(mounted('database'), ['postgres'])
  t.same(mounted('witness'), ['witness'])
  const { environment, volumes } = compose.services.chartwarden as ComposeService
  t.ok(volumes?.includes(`signer:${environment?.['CHARTWARDEN_SIGNER_DIR']}`))
  t.match(environment?.['CHARTWARDEN_LOG_ORIGIN'], /^\$\{CHARTWARDEN_LOG_ORIGIN:\?.*public address/, 'refused with what to put there')
  t.match(readDeployFile('Dockerfile'), environment?.['CHARTWARDEN_SIGNER_DIR'] as string, 'else the volume would be root’s')
  t.same(compose.services['witness']?.profiles, ['witness'], 'only where it is asked for')
})

t.test('the schema is current before the service starts, and what is mounted is there', async (t) => {
  const { chartwarden, migrate } = compose.services
  t.match(chartwarden?.depends_on, { migrate: { condition: 'service_completed_successfully' }, postgres: { condition: 'service_healthy' } })
  t.match(migrate?.depends_on, { postgres: { condition: 'service_healthy' } })
  for (const [name, service] of services) {
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':')
      if (source.startsWith('.')) t.ok(existsSync(path.join(deploy, source)) && volume.endsWith(':ro'), `${name}: ${volume}`)
    }
  }
  const drainMs = Number(chartwarden?.environment?.['CHARTWARDEN_DRAIN_TIMEOUT_MS'])
  t.ok(Number.parseInt(chartwarden?.stop_grace_period ?? '', 10) * 1000 >= drainMs + 10_000, 'the drain ends before the kill')
})

t.test('the secrets that are made open the database that is made, each login its own', async (t) => {
  const directory = path.join(scratchDirectory(t, 'compose'), 'secrets')
  const script = (name: string): string => path.join(deploy, 'compose', name)
  execFileSync('sh', [script('make-secrets.sh'), directory])
  t.throws(() => execFileSync('sh', [script('make-secrets.sh'), directory], { stdio: 'ignore' }), 'never twice')
  t.equal(statSync(directory).mode & 0o777, 0o700)
  t.same(
    [...Object.keys(compose.secrets), 'kurrentdb', 'tls', 'witness'].sort(),
    readdirSync(directory).sort(),
    'what compose.yaml names, and the directory of the certificate, which is mounted as such so that it can be renewed',
  )
  t.ok(compose.services.chartwarden?.volumes?.includes(`\${DEPLOY_SECRETS:?}/tls:/run/tls:ro`))
  t.equal(statSync(path.join(directory, 'tls')).mode & 0o777, 0o755, "the service's account may look into it")

  const { server, admin } = await serverOfPostgresSql(t)
  // Stands in for psql, which is in the database's image and not here: what it is told is run below.
  const bin = scratchDirectory(t, 'psql')
  writeFileSync(path.join(bin, 'psql'), `#!/bin/sh\ncat >>${bin}/told.sql\n`)
  chmodSync(path.join(bin, 'psql'), 0o755)
  const passwords = path.join(bin, 'passwords.sh')
  writeFileSync(passwords, readFileSync(script('20-passwords.sh'), 'utf8').replaceAll('/run/secrets', directory))
  execFileSync('sh', [passwords], { env: { PATH: `${bin}:${process.env.PATH}` } })
  await admin.query(readFileSync(path.join(bin, 'told.sql'), 'utf8'))

  for (const login of ['writer_login', 'feed_login', 'query_login', 'migrator']) {
    const { CHARTWARDEN_MIGRATE_DATABASE_URL: url } = readSecretFiles({
      CHARTWARDEN_MIGRATE_DATABASE_URL: `@${path.join(directory, `${login}.url`)}`,
    })
    t.doesNotThrow(() => readDatabaseConfig({ CHARTWARDEN_MIGRATE_DATABASE_URL: url }))
    const client = new pg.Client({ connectionString: url?.replace('@postgres:5432', `@127.0.0.1:${server.port}`) })
    await client.connect()
    const { rows } = await client.query<{ name: string }>('select session_user::text as name')
    t.equal(rows[0]?.name, `chartwarden_${login}`)
    await client.end()
  }
})

t.test('the cluster of KurrentDB is three nodes that know each other, each with a volume and a certificate of its own', async (t) => {
  const directory = path.join(scratchDirectory(t, 'kurrentdb'), 'secrets')
  const run = (command: string, ...args: readonly string[]) => execFileSync(command, args, { stdio: 'pipe' }).toString()
  run('sh', path.join(deploy, 'compose', 'make-secrets.sh'), directory)
  const make = path.join(deploy, 'compose', 'make-kurrentdb.sh')
  run('sh', make, directory)
  t.throws(() => run('sh', make, directory), 'never twice')
  const made = (file: string) => path.join(directory, 'kurrentdb', file)
  const url = readSecretFiles({ CHARTWARDEN_KURRENTDB_URL: `@${made('client/url')}` })['CHARTWARDEN_KURRENTDB_URL'] ?? ''
  t.match(parseKurrentUrl(url), { hasCredentials: true, plain: false })

  const nodes = services.filter(([, { profiles }]) => profiles?.includes('kurrentdb'))
  const names = nodes.map(([name]) => name)
  t.same(names, ['kurrentdb1', 'kurrentdb2', 'kurrentdb3'])
  for (const [at, [name, node]] of nodes.entries()) {
    const { environment = {}, volumes = [] } = node
    const others = names.filter((other) => other !== name)
    t.equal(environment['KURRENTDB_GOSSIP_SEED'], others.map((other) => `${other}:2113`).join())
    t.equal(environment['KURRENTDB_CLUSTER_SIZE'], '3')
    t.equal(environment['KURRENTDB_NODE_HOST_ADVERTISE_AS'], name)
    t.same(volumes, [`\${DEPLOY_SECRETS:?}/kurrentdb/node${at + 1}:/run/kurrentdb:ro`, `${name}:/var/lib/kurrentdb`])
    t.notOk('KURRENTDB_INSECURE' in environment)
    const own = (file: string) => made(`node${at + 1}/${file}`)
    t.match(run('openssl', 'verify', '-CAfile', made('client/ca.crt'), own('node.crt')), /OK/)
    t.match(run('openssl', 'x509', '-noout', '-ext', 'subjectAltName,extendedKeyUsage', '-in', own('node.crt')), new RegExp(`DNS:${name},`))
    for (const file of ['node.key', 'ca/ca.crt', 'admin.password', 'ops.password']) t.equal(statSync(own(file)).mode & 0o777, 0o444, file)
    const password = (user: string) => readFileSync(own(`${user}.password`), 'utf8')
    t.match(password('ops'), /^[\w-]{43}$/)
    t.not(password('ops'), password('admin'))
    for (const user of ['ADMIN', 'OPS'])
      t.match(node.entrypoint?.at(-1), `KURRENTDB_DEFAULT_${user}_PASSWORD="$$(cat /run/kurrentdb/${user.toLowerCase()}.password)"`)
    t.ok(url.includes(`${name}:2113`) && url.includes(`:${password('admin')}@`))
  }
  t.equal(statSync(made('ca.key')).mode & 0o777, 0o600, 'nobody is given the key of the authority')
  const chartwarden = compose.services.chartwarden as ComposeService
  t.ok(chartwarden.volumes?.includes(`\${DEPLOY_SECRETS:?}/kurrentdb/client:/run/kurrentdb:ro`))
})
