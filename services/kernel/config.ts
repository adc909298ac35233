/**
 * The one configuration object. Every value comes from one variable of `configVariables`; all that is wrong, unknown or unsafe stops the
 * start with one line.
 */
import { type ConfigVariable, type Mode, type Row, rows } from './config-variables.ts'
import { formatHostPort, type HostPort, isLoopback } from './host-port.ts'
import { StartError } from './start-error.ts'

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** Authorities of client certificates; undefined: clients need none. */
  readonly clientCaFile?: string
}

export type { HostPort }

export interface DatabaseUrls {
  /** Writer role. */
  readonly writer: string
  /** Projections and sealer. */
  readonly feed: string
  /** Per-clinic reads of reports. */
  readonly query: string
  /** Owner; undefined: the schema must be current already. */
  readonly migrate: string | undefined
}

export interface Config {
  readonly mode: 'development' | 'production'
  readonly grpcAddr: HostPort
  readonly httpAddr: HostPort
  /** Undefined: no metrics are there to be fetched. */
  readonly metricsAddr: HostPort | undefined
  /** Whether somebody has asked for that address. */
  readonly metricsAddrGiven: boolean
  /** What is sent by OTLP; where to and how, OpenTelemetry's SDK reads from the OTEL_* variables itself. */
  readonly otlp: { readonly traces: boolean; readonly metrics: boolean }
  readonly stateDir: string
  readonly tls: TlsFiles | undefined
  /** A proxy in front ends TLS: allows production without certificate files. */
  readonly tlsByProxy: boolean
  /** File or URL; undefined only in development, where a key is made. */
  readonly jwks: string | undefined
  readonly jwtIssuer: string
  readonly jwtAudience: string
  /** How far the clocks of issuer and service may differ, seconds. */
  readonly clockToleranceSeconds: number
  /** Undefined in development: made in the state directory. */
  readonly masterKeyFile: string | undefined
  /** Undefined: embedded Postgres in the state directory. */
  readonly databaseUrls: DatabaseUrls | undefined
  /** Registers the demo clinic at start (development only). */
  readonly demo: boolean
  readonly grpcReflection: boolean
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  readonly maxMessageBytes: number
  readonly maxBatchItems: number
  readonly maxQueuedEntries: number
  readonly maxStreamsPerConnection: number
  readonly maxHttpCalls: number
  readonly defaultDeadlineMs: number
  readonly drainTimeoutMs: number
}

export type Environment = Readonly<Record<string, string | undefined>>

/** The documented variables as data, in the order of the documentation. */
export const configVariables: readonly ConfigVariable[] = Object.freeze(
  Object.values<Row<unknown>>(rows).map(({ parse: _parse, ...variable }) => Object.freeze(variable)),
)

const prefix = 'CHARTWARDEN_'

/** What is wrong, each thing once, in the order it was found. */
type Problems = Set<string>

const refuse = (problems: Problems): void => {
  if (problems.size > 0) throw new StartError([...problems].join(' '))
}

const unknownVariables = (environment: Environment): readonly string[] => {
  const known = new Set(configVariables.map((variable) => variable.name))
  return Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !known.has(name))
    .map((name) => `${name} is not a variable of this version; remove it or correct its name.`)
}

/** A value that was refused; a user and password that do not belong in it are left out. */
const shown = (text: string): string => JSON.stringify(text.replace(/\/\/.*@/, '//…@').slice(0, 100))

/**
 * Reads one variable after the other, and notes what is wrong with them: whoever reads calls `refuse` before a value is used. An empty
 * variable counts as one that is not set, as compose files write it.
 */
const createReader = (environment: Environment, mode: Mode, problems: Problems) => {
  const read = <T>(row: Row<T>): T | undefined => {
    const given = environment[row.name]
    const text = given === undefined || given === '' ? row.default[mode] : given
    if (text === undefined) {
      if (mode === 'production' && row.requiredInProduction) problems.add(`${row.name} is required in production.`)
      return undefined
    }
    const value = row.parse(text)
    if (value === undefined) problems.add(`${row.name} must be ${row.allowed}${row.secret ? '' : `, not ${shown(text)}`}.`)
    return value
  }
  const always = <T>(row: Row<T>): T => {
    const value = read(row)
    if (value === undefined && ![...problems].some((problem) => problem.startsWith(`${row.name} `))) {
      problems.add(`${row.name} is required.`)
    }
    return value as T
  }
  return { mode, problems, read, always }
}

type Reader = ReturnType<typeof createReader>

const readTls = ({ mode, problems, read }: Reader): TlsFiles | undefined => {
  const certFile = read(rows.tlsCertFile)
  const keyFile = read(rows.tlsKeyFile)
  const clientCaFile = read(rows.tlsClientCaFile)
  if (certFile === undefined && keyFile === undefined) {
    if (clientCaFile !== undefined) problems.add(`${rows.tlsClientCaFile.name} needs ${rows.tlsCertFile.name} beside it.`)
    if (mode === 'production' && read(rows.tlsByProxy) === false) {
      problems.add(
        `Production needs TLS: set ${rows.tlsCertFile.name} and ${rows.tlsKeyFile.name}, or ${rows.tlsByProxy.name}=true where a proxy ends it.`,
      )
    }
    return undefined
  }
  if (certFile === undefined) {
    problems.add(`${rows.tlsKeyFile.name} needs ${rows.tlsCertFile.name} beside it.`)
    return undefined
  }
  if (keyFile === undefined) {
    problems.add(`${rows.tlsCertFile.name} needs ${rows.tlsKeyFile.name} beside it.`)
    return undefined
  }
  return Object.freeze({ certFile, keyFile, ...(clientCaFile === undefined ? {} : { clientCaFile }) })
}

const readMetricsAddr = ({ read }: Reader): HostPort | undefined => {
  const address = read(rows.metricsAddr)
  return address === undefined || address === 'off' ? undefined : Object.freeze(address)
}

const readOtlp = ({ read }: Reader): Config['otlp'] => {
  const endpoint = read(rows.otlpEndpoint)
  const enabled = read(rows.otelDisabled) !== true
  const sends = (own: Row<string>, exporter: Row<string>): boolean =>
    (read(own) ?? endpoint) !== undefined && enabled && read(exporter) !== 'none'
  return Object.freeze({
    traces: sends(rows.otlpTracesEndpoint, rows.tracesExporter),
    metrics: sends(rows.otlpMetricsEndpoint, rows.metricsExporter),
  })
}

const readDatabaseUrls = ({ mode, problems, read }: Reader): DatabaseUrls | undefined => {
  const writer = read(rows.databaseUrl)
  const feed = read(rows.feedDatabaseUrl)
  const query = read(rows.queryDatabaseUrl)
  const migrate = read(rows.migrateDatabaseUrl)
  if (writer === undefined) {
    const alone = [rows.feedDatabaseUrl, rows.queryDatabaseUrl, rows.migrateDatabaseUrl].find((row) => read(row) !== undefined)
    if (alone !== undefined) problems.add(`${alone.name} needs ${rows.databaseUrl.name} beside it.`)
    return undefined
  }
  if (mode === 'production') {
    if (feed === undefined) {
      problems.add(`${rows.feedDatabaseUrl.name} is required in production when ${rows.databaseUrl.name} is set.`)
      return undefined
    }
    if (feed === writer) problems.add(`${rows.feedDatabaseUrl.name} must be another login than ${rows.databaseUrl.name} in production.`)
    return Object.freeze({ writer, feed, query: query ?? feed, migrate })
  }
  return Object.freeze({ writer, feed: feed ?? writer, query: query ?? writer, migrate: migrate ?? writer })
}

const findUnsafeProduction = (config: Config, problems: Problems): void => {
  if (config.demo) problems.add(`${rows.demo.name} is for development only.`)
  const url = config.jwks === undefined || !URL.canParse(config.jwks) ? undefined : new URL(config.jwks)
  if (url?.protocol === 'http:' && !isLoopback(url.hostname)) problems.add(`${rows.jwks.name} must use https in production.`)
}

/** Development tokens come from a key on disk, so a development service stays on its own machine unless the connection is protected. */
const findOpenDevelopment = (config: Config, problems: Problems): void => {
  if (config.tls !== undefined || config.tlsByProxy) return
  for (const [row, address] of [
    [rows.grpcAddr, config.grpcAddr],
    [rows.httpAddr, config.httpAddr],
    [rows.metricsAddr, config.metricsAddr],
  ] as const) {
    if (address !== undefined && !isLoopback(address.host)) {
      problems.add(
        `${row.name} is ${formatHostPort(address)}, which other machines can reach without TLS; use 127.0.0.1, set the TLS files, or ${rows.tlsByProxy.name}=true.`,
      )
    }
  }
}

/** Everything else depends on the mode, so that it is refused before the rest is read. */
const startReading = (environment: Environment): Reader => {
  const problems: Problems = new Set(unknownVariables(environment))
  const mode = createReader(environment, 'development', problems).read(rows.mode)
  if (mode === undefined) refuse(problems)
  return createReader(environment, mode ?? 'development', problems)
}

/** Reads and checks the configuration. Throws StartError with all that is wrong in one line, which never shows a secret's value. */
export const readConfig = (environment: Environment): Config => {
  const reader = startReading(environment)
  const { mode, problems, read, always } = reader
  const config: Config = Object.freeze({
    mode,
    grpcAddr: Object.freeze(always(rows.grpcAddr)),
    httpAddr: Object.freeze(always(rows.httpAddr)),
    metricsAddr: readMetricsAddr(reader),
    metricsAddrGiven: (environment[rows.metricsAddr.name] ?? '') !== '',
    otlp: readOtlp(reader),
    stateDir: always(rows.stateDir),
    tls: readTls(reader),
    tlsByProxy: always(rows.tlsByProxy),
    jwks: read(rows.jwks),
    jwtIssuer: always(rows.jwtIssuer),
    jwtAudience: always(rows.jwtAudience),
    clockToleranceSeconds: always(rows.clockToleranceSeconds),
    masterKeyFile: read(rows.masterKeyFile),
    databaseUrls: readDatabaseUrls(reader),
    demo: always(rows.demo),
    grpcReflection: always(rows.grpcReflection),
    logLevel: always(rows.logLevel),
    maxMessageBytes: always(rows.maxMessageBytes),
    maxBatchItems: always(rows.maxBatchItems),
    maxQueuedEntries: always(rows.maxQueuedEntries),
    maxStreamsPerConnection: always(rows.maxStreamsPerConnection),
    maxHttpCalls: always(rows.maxHttpCalls),
    defaultDeadlineMs: always(rows.defaultDeadlineMs),
    drainTimeoutMs: always(rows.drainTimeoutMs),
  })
  if (mode === 'production') findUnsafeProduction(config, problems)
  else findOpenDevelopment(config, problems)
  refuse(problems)
  return config
}

/** What the commands that look after the database need, and nothing that only serving needs. */
export interface DatabaseConfig {
  readonly mode: Mode
  readonly stateDir: string
  /** Owner of the schema; undefined: the embedded database. */
  readonly migrateUrl: string | undefined
  readonly logLevel: Config['logLevel']
}

/** As `readConfig`, for those commands. In production DATABASE_URL, whose login may not migrate, does not stand in for the owner's. */
export const readDatabaseConfig = (environment: Environment): DatabaseConfig => {
  const { mode, problems, read, always } = startReading(environment)
  const writer = read(rows.databaseUrl)
  const migrateUrl = read(rows.migrateDatabaseUrl) ?? (mode === 'development' ? writer : undefined)
  if (writer !== undefined && migrateUrl === undefined) problems.add(`${rows.migrateDatabaseUrl.name} is required to migrate.`)
  const config = Object.freeze({ mode, stateDir: always(rows.stateDir), migrateUrl, logLevel: always(rows.logLevel) })
  refuse(problems)
  return config
}
