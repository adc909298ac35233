import t from 'tap'
import { type Config, configVariables, type Environment, readConfig } from '../../services/kernel/config.ts'

const messageOf = (environment: Environment): string => {
  try {
    readConfig(environment)
    return 'started'
  } catch (error) {
    return error instanceof Error && error.name === 'StartError' ? error.message : `not a StartError: ${error}`
  }
}

const production = {
  CHARTWARDEN_MODE: 'production',
  CHARTWARDEN_JWKS: 'https://idp.example/jwks',
  CHARTWARDEN_JWT_ISSUER: 'https://idp.example',
  CHARTWARDEN_JWT_AUDIENCE: 'chartwarden',
  CHARTWARDEN_MASTER_KEY_FILE: '/run/secrets/master',
  CHARTWARDEN_TLS_CERT_FILE: '/tls/cert.pem',
  CHARTWARDEN_TLS_KEY_FILE: '/tls/key.pem',
}

t.test('an empty environment is a development service on this machine', async (t) => {
  t.strictSame(readConfig({ PATH: '/bin' }), {
    mode: 'development',
    grpcAddr: { host: '127.0.0.1', port: 50_051 },
    httpAddr: { host: '127.0.0.1', port: 8080 },
    metricsAddr: { host: '127.0.0.1', port: 9464 },
    metricsAddrGiven: false,
    otlp: { traces: false, metrics: false },
    stateDir: '.chartwarden',
    tls: undefined,
    tlsByProxy: false,
    jwks: undefined,
    jwtIssuer: 'chartwarden-development',
    jwtAudience: 'chartwarden',
    clockToleranceSeconds: 30,
    masterKey: undefined,
    signing: { signerDir: '.chartwarden/signer', logOrigin: 'chartwarden.localhost', publishIntervalMs: 700, insideState: true },
    logOrigin: 'chartwarden.localhost',
    witnesses: undefined,
    databaseUrls: undefined,
    kurrentUrl: undefined,
    demo: false,
    grpcReflection: true,
    logLevel: 'info',
    workers: 1,
    maxMessageBytes: 1_048_576,
    maxBatchItems: 512,
    selfCheckHours: 24,
    backup: undefined,
    drill: undefined,
    maxQueuedEntries: 16_384,
    maxUnderWay: 2_048,
    callerQuota: undefined,
    clinicQuota: undefined,
    maxStreamsPerConnection: 128,
    maxHttpCalls: 1024,
    defaultDeadlineMs: 10_000,
    drainTimeoutMs: 10_000,
  } satisfies Config)
})

t.test('every default in the table is a value the table allows, and every variable is documented', async (t) => {
  for (const variable of configVariables) {
    for (const mode of ['development', 'production'] as const) {
      const text = variable.default[mode]
      if (text !== undefined)
        t.notMatch(messageOf({ ...(mode === 'production' ? production : {}), [variable.name]: text }), /must be/, variable.name)
    }
    t.match(variable.meaning, /^[A-Z].*\.$/, `${variable.name} has a meaning`)
    t.ok(variable.allowed.length > 0)
    t.match(variable.name, /^(CHARTWARDEN_[A-Z_]+|DATABASE_URL|OTEL_[A-Z_]+)$/)
  }
  t.equal(new Set(configVariables.map(({ name }) => name)).size, configVariables.length)
  t.strictSame(
    configVariables.filter(({ secret }) => secret).map(({ name }) => name),
    [
      'CHARTWARDEN_MASTER_KEY',
      'CHARTWARDEN_DRILL_DATABASE_URL',
      'DATABASE_URL',
      'CHARTWARDEN_FEED_DATABASE_URL',
      'CHARTWARDEN_QUERY_DATABASE_URL',
      'CHARTWARDEN_MIGRATE_DATABASE_URL',
      'CHARTWARDEN_KURRENTDB_URL',
      'CHARTWARDEN_TOKEN',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
    ],
  )
})

t.test('each variable is read', async (t) => {
  const config = readConfig({
    ...production,
    CHARTWARDEN_GRPC_ADDR: '[::]:1',
    CHARTWARDEN_HTTP_ADDR: '0.0.0.0:65535',
    CHARTWARDEN_METRICS_ADDR: '10.0.0.7:9000',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
    OTEL_METRICS_EXPORTER: 'none',
    CHARTWARDEN_STATE_DIR: '/var/lib/chartwarden',
    DATABASE_URL: 'postgres://writer@db/c',
    CHARTWARDEN_FEED_DATABASE_URL: 'postgresql://feed@db/c',
    CHARTWARDEN_CLOCK_TOLERANCE_SECONDS: '0',
    CHARTWARDEN_GRPC_REFLECTION: 'true',
    CHARTWARDEN_LOG_LEVEL: 'debug',
    CHARTWARDEN_MAX_MESSAGE_BYTES: '65536',
    CHARTWARDEN_MAX_BATCH_ITEMS: '1',
    CHARTWARDEN_SELF_CHECK_HOURS: '0',
    CHARTWARDEN_WORKERS: 'auto',
    CHARTWARDEN_MAX_QUEUED_ENTRIES: '1024',
    CHARTWARDEN_MAX_UNDER_WAY: '1024',
    CHARTWARDEN_CALLER_QUOTA: '200:1000',
    CHARTWARDEN_CLINIC_QUOTA: '300',
    CHARTWARDEN_MAX_STREAMS_PER_CONNECTION: '8',
    CHARTWARDEN_DEFAULT_DEADLINE_MS: '100',
    CHARTWARDEN_DRAIN_TIMEOUT_MS: '0',
    CHARTWARDEN_WITNESS_POLICY: '/etc/chartwarden/witnesses',
    CHARTWARDEN_WITNESS_INTERVAL_MS: '1000',
  })
  t.strictSame(config, {
    mode: 'production',
    grpcAddr: { host: '::', port: 1 },
    httpAddr: { host: '0.0.0.0', port: 65_535 },
    metricsAddr: { host: '10.0.0.7', port: 9000 },
    metricsAddrGiven: true,
    otlp: { traces: true, metrics: false },
    stateDir: '/var/lib/chartwarden',
    tls: { certFile: '/tls/cert.pem', keyFile: '/tls/key.pem' },
    tlsByProxy: false,
    jwks: 'https://idp.example/jwks',
    jwtIssuer: 'https://idp.example',
    jwtAudience: 'chartwarden',
    clockToleranceSeconds: 0,
    masterKey: { kind: 'file', file: '/run/secrets/master' },
    signing: undefined,
    logOrigin: undefined,
    witnesses: { policyFile: '/etc/chartwarden/witnesses', intervalMs: 1000 },
    databaseUrls: { writer: 'postgres://writer@db/c', feed: 'postgresql://feed@db/c', query: 'postgresql://feed@db/c', migrate: undefined },
    kurrentUrl: undefined,
    demo: false,
    grpcReflection: true,
    logLevel: 'debug',
    workers: 'auto',
    maxMessageBytes: 65_536,
    maxBatchItems: 1,
    selfCheckHours: 0,
    backup: undefined,
    drill: undefined,
    maxQueuedEntries: 1024,
    maxUnderWay: 1024,
    callerQuota: { perSecond: 200, burst: 1000 },
    clinicQuota: { perSecond: 300, burst: 300 },
    maxStreamsPerConnection: 8,
    maxHttpCalls: 1024,
    defaultDeadlineMs: 100,
    drainTimeoutMs: 0,
  } satisfies Config)
})

t.test('the master key comes from a file or from the environment, never from both', async (t) => {
  const bytes = Buffer.alloc(32, 7)
  const { CHARTWARDEN_MASTER_KEY_FILE: _, ...without } = production
  for (const text of [bytes.toString('base64'), bytes.toString('hex'), `${bytes.toString('hex')}\n`])
    t.strictSame(readConfig({ ...without, CHARTWARDEN_MASTER_KEY: text }).masterKey, { kind: 'key', key: bytes })
  t.match(messageOf({ ...production, CHARTWARDEN_MASTER_KEY: bytes.toString('hex') }), /are both set; keep one of them/)
  for (const text of ['c2hvcnQ=', 'a'.repeat(62)]) {
    t.match(messageOf({ ...without, CHARTWARDEN_MASTER_KEY: text }), /CHARTWARDEN_MASTER_KEY must be 32 bytes/)
    t.notMatch(messageOf({ ...without, CHARTWARDEN_MASTER_KEY: text }), text, 'it is never shown')
  }
})

t.test('nothing is signed in production unless a signer store and a name are configured', async (t) => {
  const signerDir = '/mnt/signer'
  t.equal(readConfig(production).signing, undefined)
  t.equal(readConfig({ CHARTWARDEN_SIGNER_DIR: 'off' }).signing, undefined)
  t.strictSame(readConfig({ ...production, CHARTWARDEN_SIGNER_DIR: signerDir, CHARTWARDEN_LOG_ORIGIN: 'log.example/eu' }).signing, {
    signerDir,
    logOrigin: 'log.example/eu',
    publishIntervalMs: 700,
    insideState: false,
  })
  for (const inside of ['/srv/state', '/srv/state/', '/srv/state/signer', '/srv/other/../state/a/b']) {
    const placed = { CHARTWARDEN_STATE_DIR: '/srv/state', CHARTWARDEN_SIGNER_DIR: inside, CHARTWARDEN_LOG_ORIGIN: 'log.example' }
    t.match(
      messageOf({ ...production, ...placed }),
      /CHARTWARDEN_SIGNER_DIR lies in CHARTWARDEN_STATE_DIR \(\/srv\/state\); give it a place/,
      inside,
    )
    t.equal(readConfig(placed).signing?.insideState, true, 'development goes on, and says so')
  }
  for (const apart of ['/srv/state-signer', '/srv/..state', '/srv', '/srv/state/../signer']) {
    const placed = { CHARTWARDEN_STATE_DIR: '/srv/state', CHARTWARDEN_SIGNER_DIR: apart, CHARTWARDEN_LOG_ORIGIN: 'log.example' }
    t.equal(readConfig({ ...production, ...placed }).signing?.insideState, false, apart)
  }
  t.equal(readConfig({}).signing?.insideState, true, 'the default of development')
  const elsewhere = { CHARTWARDEN_SIGNER_DIR: 'off', CHARTWARDEN_LOG_ORIGIN: 'log.example' }
  for (const given of [{}, production]) {
    t.match(readConfig({ ...given, ...elsewhere }), { signing: undefined, logOrigin: 'log.example' }, 'another process signs')
    t.match(readConfig({ ...given, CHARTWARDEN_SIGNER_DIR: 'off' }), { signing: undefined, logOrigin: undefined }, 'none does')
  }
  t.match(messageOf({ ...production, CHARTWARDEN_SIGNER_DIR: signerDir }), /^CHARTWARDEN_LOG_ORIGIN is required in production when/)
  for (const origin of ['https://log.example', 'log example', 'log+example', 'log.example/', 'LOG.example', ''.padEnd(101, 'a')])
    t.match(messageOf({ CHARTWARDEN_LOG_ORIGIN: origin }), /CHARTWARDEN_LOG_ORIGIN must be/, origin)
  for (const interval of ['99', '60001', '1.5', '-1'])
    t.match(messageOf({ CHARTWARDEN_PUBLISH_INTERVAL_MS: interval }), /CHARTWARDEN_PUBLISH_INTERVAL_MS must be/, interval)
})

t.test('a quota is off, a rate, or a rate and as much as may come at once', async (t) => {
  t.equal(readConfig({ CHARTWARDEN_CALLER_QUOTA: 'off' }).callerQuota, undefined)
  t.strictSame(readConfig({ CHARTWARDEN_CALLER_QUOTA: '7' }).callerQuota, { perSecond: 7, burst: 7 })
  t.strictSame(readConfig({ CHARTWARDEN_CLINIC_QUOTA: '1:1000000' }).clinicQuota, { perSecond: 1, burst: 1_000_000 })
  for (const text of ['0', '-1', '1.5', 'on', '200:', ':5', '200:0', '200:199', '1:1000001', '9999999', '1:2:3', ' 5', '1e3'])
    for (const name of ['CHARTWARDEN_CALLER_QUOTA', 'CHARTWARDEN_CLINIC_QUOTA'])
      t.match(messageOf({ [name]: text }), `${name} must be off, or a whole number`, `${name}=${text}`)
})

t.test('ledgers in KurrentDB need a connection that nobody listens to and a user whose password is sent', async (t) => {
  const url = 'kurrentdb://chartwarden:hidden@one:2113,two:2113?tlsCAFile=/run/ca.crt'
  t.equal(readConfig({ ...production, CHARTWARDEN_KURRENTDB_URL: url }).kurrentUrl, url)
  const local = 'kurrentdb://127.0.0.1:2113?tls=false'
  t.equal(readConfig({ CHARTWARDEN_KURRENTDB_URL: local }).kurrentUrl, local, 'in development as it is')
  t.match(messageOf({ ...production, CHARTWARDEN_KURRENTDB_URL: local }), /must not have tls=false .* needs user and password/)
  t.match(
    messageOf({ CHARTWARDEN_KURRENTDB_URL: 'kurrentdb://u:hidden@one?tls=false' }),
    /has tls=false, with which its password is not sent/,
  )
  const backups = { CHARTWARDEN_BACKUP_TARGET: '/mnt/backups', CHARTWARDEN_BACKUP_RECIPIENTS_FILE: '/etc/recipients' }
  t.match(messageOf({ ...backups, CHARTWARDEN_KURRENTDB_URL: local }), /CHARTWARDEN_BACKUP_TARGET backs up ledgers in PostgreSQL only/)
  for (const wrong of ['postgres://db/c', 'kurrentdb://u:hidden@one?surprise=1', 'kurrentdb://u:hidden@']) {
    const message = messageOf({ CHARTWARDEN_KURRENTDB_URL: wrong })
    t.match(message, /^CHARTWARDEN_KURRENTDB_URL must be a connection string/, wrong)
    t.notMatch(message, /hidden/)
  }
})

t.test('the configuration cannot be changed', async (t) => {
  const config = readConfig({ ...production, DATABASE_URL: 'postgres://w@db/c', CHARTWARDEN_FEED_DATABASE_URL: 'postgres://f@db/c' })
  for (const part of [config, config.grpcAddr, config.httpAddr, config.tls, config.databaseUrls, configVariables, configVariables[0]]) {
    t.ok(Object.isFrozen(part))
  }
})

t.test('in development one database URL is enough', async (t) => {
  const { databaseUrls } = readConfig({ DATABASE_URL: 'postgres://db/c' })
  t.strictSame(databaseUrls, { writer: 'postgres://db/c', feed: 'postgres://db/c', query: 'postgres://db/c', migrate: 'postgres://db/c' })
})

const refusals: readonly (readonly [string, Environment, RegExp])[] = [
  ['an unknown variable', { CHARTWARDEN_GRPC_ADDRESS: 'x' }, /^CHARTWARDEN_GRPC_ADDRESS is not a variable/],
  ['an unknown variable that is empty', { CHARTWARDEN_: '' }, /^CHARTWARDEN_ is not a variable/],
  ['another mode', { CHARTWARDEN_MODE: 'Production' }, /^CHARTWARDEN_MODE must be development or production, not "Production"\.$/],
  ['a port that is too large', { CHARTWARDEN_GRPC_ADDR: '127.0.0.1:65536' }, /^CHARTWARDEN_GRPC_ADDR must be host:port/],
  [
    'a metrics address that is a word',
    { CHARTWARDEN_METRICS_ADDR: 'on' },
    /^CHARTWARDEN_METRICS_ADDR must be host:port or off, not "on"\.$/,
  ],
  ['development metrics others can reach', { CHARTWARDEN_METRICS_ADDR: '0.0.0.0:9464' }, /^CHARTWARDEN_METRICS_ADDR is 0\.0\.0\.0:9464/],
  ['a collector that is no URL', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, /^OTEL_EXPORTER_OTLP_ENDPOINT must be a URL/],
  ['a switch that is neither', { OTEL_SDK_DISABLED: 'yes' }, /^OTEL_SDK_DISABLED must be true or false/],
  ['no port', { CHARTWARDEN_HTTP_ADDR: '127.0.0.1' }, /^CHARTWARDEN_HTTP_ADDR must be host:port/],
  ['a truth in other words', { CHARTWARDEN_DEMO: '1' }, /^CHARTWARDEN_DEMO must be true or false, not "1"\.$/],
  [
    'a number with a unit',
    { CHARTWARDEN_DEFAULT_DEADLINE_MS: '10s' },
    /^CHARTWARDEN_DEFAULT_DEADLINE_MS must be a whole number from 100 to 600000/,
  ],
  ['a number too large', { CHARTWARDEN_MAX_BATCH_ITEMS: '513' }, /from 1 to 512/],
  ['no worker', { CHARTWARDEN_WORKERS: '0' }, /^CHARTWARDEN_WORKERS must be a whole number from 1 to 64, or auto, not "0"\.$/],
  ['too many workers', { CHARTWARDEN_WORKERS: '65' }, /^CHARTWARDEN_WORKERS must be/],
  ['half a worker', { CHARTWARDEN_WORKERS: '1.5' }, /^CHARTWARDEN_WORKERS must be/],
  ['workers in other words', { CHARTWARDEN_WORKERS: 'all' }, /^CHARTWARDEN_WORKERS must be/],
  ['a negative number', { CHARTWARDEN_DRAIN_TIMEOUT_MS: '-1' }, /from 0/],
  ['an exponent', { CHARTWARDEN_MAX_MESSAGE_BYTES: '1e6' }, /whole number/],
  ['a log level that does not exist', { CHARTWARDEN_LOG_LEVEL: 'verbose' }, /trace or silent/],
  ['a certificate without key', { CHARTWARDEN_TLS_CERT_FILE: 'c' }, /^CHARTWARDEN_TLS_CERT_FILE needs CHARTWARDEN_TLS_KEY_FILE/],
  ['a key without certificate', { CHARTWARDEN_TLS_KEY_FILE: 'k' }, /^CHARTWARDEN_TLS_KEY_FILE needs CHARTWARDEN_TLS_CERT_FILE/],
  [
    'authorities of clients without certificate',
    { CHARTWARDEN_TLS_CLIENT_CA_FILE: 'a' },
    /^CHARTWARDEN_TLS_CLIENT_CA_FILE needs CHARTWARDEN_TLS_CERT_FILE/,
  ],
  ['a feed without writer', { CHARTWARDEN_FEED_DATABASE_URL: 'postgres://f@db/c' }, /^CHARTWARDEN_FEED_DATABASE_URL needs DATABASE_URL/],
  [
    'a key set at another kind of address',
    { CHARTWARDEN_JWKS: 'ftp://idp.example/jwks' },
    /^CHARTWARDEN_JWKS must be the path of a file or an http/,
  ],
  [
    'a development service others can reach',
    { CHARTWARDEN_GRPC_ADDR: '0.0.0.0:50051' },
    /^CHARTWARDEN_GRPC_ADDR is 0\.0\.0\.0:50051, which other machines can reach/,
  ],
  ['a development page others can reach', { CHARTWARDEN_HTTP_ADDR: '[::]:8080' }, /^CHARTWARDEN_HTTP_ADDR is \[::\]:8080/],
  ['production without keys', { ...production, CHARTWARDEN_JWKS: undefined }, /^CHARTWARDEN_JWKS is required in production\.$/],
  ['production with an empty variable', { ...production, CHARTWARDEN_JWKS: '' }, /^CHARTWARDEN_JWKS is required/],
  ['production with keys by http', { ...production, CHARTWARDEN_JWKS: 'http://idp.example/jwks' }, /^CHARTWARDEN_JWKS must use https/],
  ['production without issuer', { ...production, CHARTWARDEN_JWT_ISSUER: undefined }, /^CHARTWARDEN_JWT_ISSUER is required/],
  ['production without audience', { ...production, CHARTWARDEN_JWT_AUDIENCE: undefined }, /^CHARTWARDEN_JWT_AUDIENCE is required/],
  [
    'production without master key',
    { ...production, CHARTWARDEN_MASTER_KEY_FILE: undefined },
    /^CHARTWARDEN_MASTER_KEY_FILE or CHARTWARDEN_MASTER_KEY is required/,
  ],
  [
    'production without TLS',
    { ...production, CHARTWARDEN_TLS_CERT_FILE: '', CHARTWARDEN_TLS_KEY_FILE: '' },
    /^Production needs TLS: set .*CHARTWARDEN_TLS_BY_PROXY=true/,
  ],
  [
    'a proxy that is denied',
    { ...production, CHARTWARDEN_TLS_CERT_FILE: '', CHARTWARDEN_TLS_KEY_FILE: '', CHARTWARDEN_TLS_BY_PROXY: 'false' },
    /^Production needs TLS/,
  ],
  ['a demo in production', { ...production, CHARTWARDEN_DEMO: 'true' }, /^CHARTWARDEN_DEMO is for development/],
  [
    'production without the feed role',
    { ...production, DATABASE_URL: 'postgres://w@db/c' },
    /^CHARTWARDEN_FEED_DATABASE_URL is required in production/,
  ],
]

t.test('what is wrong stops the start with one clear line', async (t) => {
  for (const [what, environment, message] of refusals) {
    t.match(messageOf(environment), message, what)
    t.notMatch(messageOf(environment), /\n/, `${what}: one line`)
  }
})

t.test('everything that is wrong is said at once, each thing once', async (t) => {
  t.equal(
    messageOf({ CHARTWARDEN_MODE: 'production', CHARTWARDEN_GRPC_ADDRESS: 'x', CHARTWARDEN_LOG_LEVEL: 'loud', CHARTWARDEN_DEMO: 'true' }),
    [
      'CHARTWARDEN_GRPC_ADDRESS is not a variable of this version; remove it or correct its name.',
      'Production needs TLS: set CHARTWARDEN_TLS_CERT_FILE and CHARTWARDEN_TLS_KEY_FILE, or CHARTWARDEN_TLS_BY_PROXY=true where a proxy ends it.',
      'CHARTWARDEN_JWKS is required in production.',
      'CHARTWARDEN_JWT_ISSUER is required in production.',
      'CHARTWARDEN_JWT_AUDIENCE is required in production.',
      'CHARTWARDEN_MASTER_KEY_FILE or CHARTWARDEN_MASTER_KEY is required in production.',
      'CHARTWARDEN_LOG_LEVEL must be fatal, error, warn, info, debug, trace or silent, not "loud".',
      'CHARTWARDEN_DEMO is for development only.',
    ].join(' '),
  )
  t.match(
    messageOf({ ...production, CHARTWARDEN_TLS_BY_PROXY: 'perhaps', CHARTWARDEN_TLS_KEY_FILE: '' }),
    /^CHARTWARDEN_TLS_CERT_FILE needs CHARTWARDEN_TLS_KEY_FILE beside it\. CHARTWARDEN_TLS_BY_PROXY must be true or false, not "perhaps"\.$/,
    'a value that cannot be read brings no second complaint',
  )
  t.match(
    messageOf({ CHARTWARDEN_MODE: 'Production', CHARTWARDEN_DEMO: '1' }),
    /not "Production"\.$/,
    'without a mode, nothing else is known',
  )
})

t.test('metrics and traces are where the variables say', async (t) => {
  const metrics = (environment: Environment) => readConfig(environment).metricsAddr
  t.equal(metrics({ CHARTWARDEN_METRICS_ADDR: 'off' }), undefined)
  t.equal(metrics(production), undefined, 'off in production unless asked for')
  t.strictSame(metrics({ CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0' }), { host: '127.0.0.1', port: 0 })

  const otlp = (environment: Environment) => readConfig(environment).otlp
  const endpoint = 'http://127.0.0.1:4318'
  t.strictSame(otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }), { traces: true, metrics: true })
  t.strictSame(otlp({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${endpoint}/v1/traces` }), { traces: true, metrics: false })
  t.strictSame(otlp({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${endpoint}/v1/metrics` }), { traces: false, metrics: true })
  t.strictSame(otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: 'none' }), { traces: false, metrics: true })
  t.strictSame(otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'true' }), { traces: false, metrics: false })
  t.strictSame(otlp({ OTEL_TRACES_EXPORTER: 'otlp' }), { traces: false, metrics: false }, 'without an endpoint nothing is sent')
})

t.test('what is safe starts', async (t) => {
  t.equal(messageOf(production), 'started')
  t.equal(
    messageOf({ ...production, CHARTWARDEN_TLS_CERT_FILE: '', CHARTWARDEN_TLS_KEY_FILE: '', CHARTWARDEN_TLS_BY_PROXY: 'true' }),
    'started',
  )
  t.equal(messageOf({ ...production, CHARTWARDEN_JWKS: 'http://127.0.0.1:9/jwks' }), 'started')
  t.equal(messageOf({ ...production, CHARTWARDEN_JWKS: '/etc/jwks.json' }), 'started')
  t.equal(messageOf({ CHARTWARDEN_GRPC_ADDR: 'localhost:0', CHARTWARDEN_HTTP_ADDR: '[::1]:0' }), 'started')
  t.equal(messageOf({ CHARTWARDEN_GRPC_ADDR: '0.0.0.0:1', CHARTWARDEN_TLS_BY_PROXY: 'true' }), 'started')
  t.equal(messageOf({ CHARTWARDEN_TOKEN: '@/run/token' }), 'started', 'the variable of the command line does not disturb the service')
})

t.test('a secret is never shown, however wrong it is', async (t) => {
  for (const { name } of configVariables.filter(({ secret }) => secret)) {
    const environment = { DATABASE_URL: 'postgres://w@db/c', [name]: ' mysql://admin:hunter2@db/c' }
    t.notMatch(messageOf(environment), /hunter2|mysql/, name)
  }
  t.match(messageOf({ DATABASE_URL: 'mysql://admin:hunter2@db/c' }), /^DATABASE_URL must be a URL that begins with postgres/)
  t.notMatch(messageOf({ CHARTWARDEN_JWKS: 'https://admin:hunter2@idp.example/jwks' }), /started|hunter2/)
})
