/** The documented variables: parsing and documentation both come from this table. */
import {
  address,
  addressOrOff,
  backupPlace,
  choice,
  databaseUrl,
  httpUrl,
  keySet,
  masterKey,
  number,
  path,
  pathOrOff,
  quota,
  schemelessUrl,
  truth,
  word,
  workerCount,
} from './config-kinds.ts'
import { row } from './config-row.ts'
import { databaseRows } from './database-variables.ts'

export type { ConfigVariable, Mode, Row } from './config-row.ts'

export const rows = {
  mode: row(
    'CHARTWARDEN_MODE',
    choice('development', 'production'),
    'Development makes its own keys and listens only on this machine; production refuses to start unless it is configured safely.',
    { default: 'development' },
  ),
  grpcAddr: row('CHARTWARDEN_GRPC_ADDR', address, 'Where gRPC listens.', { default: '127.0.0.1:50051' }),
  httpAddr: row('CHARTWARDEN_HTTP_ADDR', address, 'Where HTTP listens.', { default: '127.0.0.1:8080' }),
  metricsAddr: row(
    'CHARTWARDEN_METRICS_ADDR',
    addressOrOff,
    'Where GET /metrics, /healthz and /readyz answer without TLS and tokens: an address of this machine, or of a network that only monitoring and probes reach.',
    { default: { development: '127.0.0.1:9464', production: undefined } },
  ),
  stateDir: row(
    'CHARTWARDEN_STATE_DIR',
    path,
    'Directory of what the service keeps on disk: the embedded database and the development keys.',
    {
      default: '.chartwarden',
    },
  ),
  tlsCertFile: row('CHARTWARDEN_TLS_CERT_FILE', path, 'PEM file with the certificate chain of both listeners.'),
  tlsKeyFile: row('CHARTWARDEN_TLS_KEY_FILE', path, 'PEM file with the private key of the certificate.'),
  tlsClientCaFile: row(
    'CHARTWARDEN_TLS_CLIENT_CA_FILE',
    path,
    'PEM file with the authorities that sign client certificates. Set: both listeners take only clients that show one, the health routes included; the token is needed all the same.',
  ),
  tlsByProxy: row(
    'CHARTWARDEN_TLS_BY_PROXY',
    truth,
    'Says that a proxy in front ends TLS, which allows production without certificate files.',
    {
      default: 'false',
    },
  ),
  jwks: row(
    'CHARTWARDEN_JWKS',
    keySet,
    'Keys that bearer tokens are verified with (RFC 7517); https in production. In development a key is made when unset.',
    {
      requiredInProduction: true,
    },
  ),
  jwtIssuer: row('CHARTWARDEN_JWT_ISSUER', word, 'The iss claim that bearer tokens must carry.', {
    default: { development: 'chartwarden-development', production: undefined },
    requiredInProduction: true,
  }),
  jwtAudience: row('CHARTWARDEN_JWT_AUDIENCE', word, 'What the aud claim of bearer tokens must be or contain.', {
    default: { development: 'chartwarden', production: undefined },
    requiredInProduction: true,
  }),
  clockToleranceSeconds: row(
    'CHARTWARDEN_CLOCK_TOLERANCE_SECONDS',
    number(0, 300),
    'How far the clocks of token issuer and service may differ.',
    { unit: 'seconds', default: '30' },
  ),
  masterKeyFile: row(
    'CHARTWARDEN_MASTER_KEY_FILE',
    path,
    'File with the key that wraps all other keys; production needs it, or the key itself in CHARTWARDEN_MASTER_KEY. In development it is made when unset.',
  ),
  masterKey: row(
    'CHARTWARDEN_MASTER_KEY',
    masterKey,
    'The key that wraps all other keys, for platforms that hand secrets over in the environment; not beside CHARTWARDEN_MASTER_KEY_FILE.',
    { secret: true },
  ),
  signerDir: row(
    'CHARTWARDEN_SIGNER_DIR',
    pathOrOff,
    'Directory that remembers what was signed last of each log. Keep it on another disk than the database, with a backup of its own, one for all replicas; production refuses one in the state directory. Unset in development: signer in the state directory. Unset in production, or off: this process signs nothing; with CHARTWARDEN_LOG_ORIGIN set, another one does.',
  ),
  logOrigin: row(
    'CHARTWARDEN_LOG_ORIGIN',
    schemelessUrl,
    'What the names of the logs begin with: the public address of this service without a scheme. Never change it once checkpoints are signed.',
    { default: { development: 'chartwarden.localhost', production: undefined } },
  ),
  publishIntervalMs: row(
    'CHARTWARDEN_PUBLISH_INTERVAL_MS',
    number(100, 60_000),
    'How often at most a checkpoint of a log that has grown is signed and published.',
    { unit: 'milliseconds', default: '700' },
  ),
  witnessPolicy: row(
    'CHARTWARDEN_WITNESS_POLICY',
    path,
    'File that names the witnesses and how many of them must have cosigned a checkpoint (C2SP tlog-policy). Unset: no witness is asked.',
  ),
  witnessIntervalMs: row(
    'CHARTWARDEN_WITNESS_INTERVAL_MS',
    number(1_000, 3_600_000),
    'How often at most the witnesses are shown the newest checkpoint of each log.',
    { unit: 'milliseconds', default: '10000' },
  ),
  selfCheckHours: row(
    'CHARTWARDEN_SELF_CHECK_HOURS',
    number(0, 8_760),
    'How long after a check of a ledger, its log, its kept state and its read models the next one is made. 0: none are made but those asked for.',
    { unit: 'hours', default: '24' },
  ),
  backupTarget: row(
    'CHARTWARDEN_BACKUP_TARGET',
    backupPlace,
    'Where backups go: a directory on another disk, or a bucket of an S3-compatible store, one for each installation. Credentials and region of a bucket come from where the AWS SDK looks, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION among them. Unset: none are made.',
  ),
  backupRecipientsFile: row(
    'CHARTWARDEN_BACKUP_RECIPIENTS_FILE',
    path,
    'File with the age recipients that backups are encrypted to, one a line; keep their identities elsewhere.',
  ),
  backupHours: row(
    'CHARTWARDEN_BACKUP_HOURS',
    number(0, 8_760),
    'How long after a backup the next one is made. 0: none are made but those asked for.',
    { unit: 'hours', default: '1' },
  ),
  backupFullDays: row(
    'CHARTWARDEN_BACKUP_FULL_DAYS',
    number(1, 366),
    'How long after a full backup the next full one is made; those between hold what is new alone.',
    { unit: 'days', default: '7' },
  ),
  backupKeep: row('CHARTWARDEN_BACKUP_KEEP', number(1, 1_000), 'Full backups that are kept, each with those that rest on it.', {
    unit: 'backups',
    default: '5',
  }),
  backupEndpoint: row(
    'CHARTWARDEN_BACKUP_ENDPOINT',
    httpUrl,
    "Address of an S3-compatible store that is not Amazon's, which is called with the bucket in the path.",
  ),
  backupIdentityFile: row(
    'CHARTWARDEN_BACKUP_IDENTITY_FILE',
    path,
    'File with age identities that open backups, one a line: for restoring them, and for drills. A service that makes no drills needs none.',
  ),
  drillHours: row(
    'CHARTWARDEN_DRILL_HOURS',
    number(0, 8_760),
    'How long after the newest backup was restored into a scratch database and verified there this is done again. 0: only when asked for.',
    { unit: 'hours', default: '0' },
  ),
  drillDatabaseUrl: row(
    'CHARTWARDEN_DRILL_DATABASE_URL',
    databaseUrl,
    'Postgres as a login that may create databases and act as the owner of the schema, for the scratch databases of drills. Unset: an embedded Postgres in the directory drill of the state directory.',
    { secret: true },
  ),
  ...databaseRows,
  demo: row('CHARTWARDEN_DEMO', truth, 'Registers the demo clinic at start; development only.', { default: 'false' }),
  grpcReflection: row('CHARTWARDEN_GRPC_REFLECTION', truth, 'Whether gRPC clients may ask for the contract; needs no token.', {
    default: { development: 'true', production: 'false' },
  }),
  logLevel: row(
    'CHARTWARDEN_LOG_LEVEL',
    choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    'Least level that is logged.',
    {
      default: 'info',
    },
  ),
  token: row(
    'CHARTWARDEN_TOKEN',
    word,
    'Bearer token of the command line, or @ and the path of a file that holds it; the service itself ignores it.',
    {
      secret: true,
    },
  ),
  clientCertFile: row(
    'CHARTWARDEN_CLIENT_CERT_FILE',
    path,
    'PEM file with the certificate that the command line shows to a service that asks for one; the service itself ignores it.',
  ),
  clientKeyFile: row('CHARTWARDEN_CLIENT_KEY_FILE', path, 'PEM file with the key of that certificate; the service itself ignores it.'),
  workers: row(
    'CHARTWARDEN_WORKERS',
    workerCount,
    'Processes that answer calls, on one pair of ports. 1: one process does everything. More: a further one does what nobody waits for, and the limits below hold for each of them. auto: as many as there are processors for this service, as far as the database has connections for them.',
    { unit: 'processes', default: '1' },
  ),
  maxMessageBytes: row('CHARTWARDEN_MAX_MESSAGE_BYTES', number(65_536, 16_777_216), 'Largest request, gRPC and HTTP.', {
    unit: 'bytes',
    default: '1048576',
  }),
  maxBatchItems: row('CHARTWARDEN_MAX_BATCH_ITEMS', number(1, 512), 'Most items of one batch call.', { unit: 'items', default: '512' }),
  maxQueuedEntries: row(
    'CHARTWARDEN_MAX_QUEUED_ENTRIES',
    number(1024, 1_048_576),
    'Entries that may wait for the ledger before calls are refused.',
    {
      unit: 'entries',
      default: '16384',
    },
  ),
  maxUnderWay: row(
    'CHARTWARDEN_MAX_UNDER_WAY',
    number(1024, 65_536),
    'Questions and records under way at once in this process at most, batches counted by their items; fewer, down to 1,024, where they would take longer than a second. One clinic may have no more of them than it leaves free. More are refused before work is done on them.',
    { unit: 'items', default: '2048' },
  ),
  callerQuota: row(
    'CHARTWARDEN_CALLER_QUOTA',
    quota,
    'Questions and records a second, on average, that one caller may send to this process, batches counted by their items; after a colon, how many at once.',
    { unit: 'items a second', default: 'off' },
  ),
  clinicQuota: row('CHARTWARDEN_CLINIC_QUOTA', quota, 'The same for each clinic, over all its callers.', {
    unit: 'items a second',
    default: 'off',
  }),
  maxStreamsPerConnection: row(
    'CHARTWARDEN_MAX_STREAMS_PER_CONNECTION',
    number(1, 65_536),
    'Calls at a time on one gRPC connection; libraries of gRPC keep the rest with the caller until one is done. A stream is one, however much is in flight on it.',
    {
      unit: 'calls',
      default: '128',
    },
  ),
  maxHttpCalls: row(
    'CHARTWARDEN_MAX_HTTP_CALLS',
    number(4, 65_536),
    'Calls of the API over HTTP at a time, streams among them; one caller may have a quarter of them, of which streams take at most half.',
    { unit: 'calls', default: '1024' },
  ),
  defaultDeadlineMs: row(
    'CHARTWARDEN_DEFAULT_DEADLINE_MS',
    number(100, 600_000),
    'Deadline of a unary call that names none, and the longest that a stream of a report waits for its revision.',
    {
      unit: 'milliseconds',
      default: '10000',
    },
  ),
  drainTimeoutMs: row(
    'CHARTWARDEN_DRAIN_TIMEOUT_MS',
    number(0, 600_000),
    "How long a stop waits for calls under way; keep it below the platform's kill.",
    {
      unit: 'milliseconds',
      default: '10000',
    },
  ),
  otlpEndpoint: row(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    httpUrl,
    'OpenTelemetry collector to send traces and metrics to. Unset: nothing is sent. The other OTEL_* variables of the OpenTelemetry specification are read too.',
    { secret: true },
  ),
  otlpTracesEndpoint: row('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', httpUrl, 'The same for traces alone, path included.', { secret: true }),
  otlpMetricsEndpoint: row('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', httpUrl, 'The same for metrics alone, path included.', { secret: true }),
  tracesExporter: row('OTEL_TRACES_EXPORTER', word, 'With none, no traces are sent.', { default: 'otlp' }),
  metricsExporter: row('OTEL_METRICS_EXPORTER', word, 'With none, no metrics are sent; /metrics does not depend on it.', {
    default: 'otlp',
  }),
  otelDisabled: row('OTEL_SDK_DISABLED', truth, 'Whether nothing is sent, whatever the other OTEL_* variables say.', { default: 'false' }),
} as const
