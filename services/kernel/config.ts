/**
 * The one configuration object. Every value comes from one variable of `configVariables`; what is wrong, unknown or unsafe stops the
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

const refuseUnknown = (environment: Environment): void => {
  const known = new Set(configVariables.map((variable) => variable.name))
  for (const name of Object.keys(environment)) {
    if (name.startsWith(prefix) && !known.has(name)) {
      throw new StartError(`${name} is not a variable of this version; remove it or correct its name.`)
    }
  }
}

/** A value that was refused; a user and password that do not belong in it are left out. */
const shown = (text: string): string => JSON.stringify(text.replace(/\/\/.*@/, '//…@').slice(0, 100))

/** An empty variable counts as one that is not set, as compose files write it. */
const createReader = (environment: Environment, mode: Mode) => {
  const read = <T>(row: Row<T>): T | undefined => {
    const given = environment[row.name]
    const text = given === undefined || given === '' ? row.default[mode] : given
    if (text === undefined) {
      if (mode === 'production' && row.requiredInProduction) throw new StartError(`${row.name} is required in production.`)
      return undefined
    }
    const value = row.parse(text)
    if (value === undefined) {
      throw new StartError(`${row.name} must be ${row.allowed}${row.secret ? '' : `, not ${shown(text)}`}.`)
    }
    return value
  }
  const always = <T>(row: Row<T>): T => {
    const value = read(row)
    if (value === undefined) throw new StartError(`${row.name} is required.`)
    return value
  }
  return { read, always }
}

type Read = ReturnType<typeof createReader>['read']

const readTls = (read: Read): TlsFiles | undefined => {
  const certFile = read(rows.tlsCertFile)
  const keyFile = read(rows.tlsKeyFile)
  const clientCaFile = read(rows.tlsClientCaFile)
  if (certFile === undefined && keyFile === undefined) {
    if (clientCaFile !== undefined) throw new StartError(`${rows.tlsClientCaFile.name} needs ${rows.tlsCertFile.name} beside it.`)
    return undefined
  }
  if (certFile === undefined) throw new StartError(`${rows.tlsKeyFile.name} needs ${rows.tlsCertFile.name} beside it.`)
  if (keyFile === undefined) throw new StartError(`${rows.tlsCertFile.name} needs ${rows.tlsKeyFile.name} beside it.`)
  return Object.freeze({ certFile, keyFile, ...(clientCaFile === undefined ? {} : { clientCaFile }) })
}

const readMetricsAddr = (read: Read): HostPort | undefined => {
  const address = read(rows.metricsAddr)
  return address === undefined || address === 'off' ? undefined : Object.freeze(address)
}

const readOtlp = (read: Read): Config['otlp'] => {
  const endpoint = read(rows.otlpEndpoint)
  const enabled = read(rows.otelDisabled) !== true
  const sends = (own: Row<string>, exporter: Row<string>): boolean =>
    (read(own) ?? endpoint) !== undefined && enabled && read(exporter) !== 'none'
  return Object.freeze({
    traces: sends(rows.otlpTracesEndpoint, rows.tracesExporter),
    metrics: sends(rows.otlpMetricsEndpoint, rows.metricsExporter),
  })
}

const readDatabaseUrls = (read: Read, mode: Mode): DatabaseUrls | undefined => {
  const writer = read(rows.databaseUrl)
  const feed = read(rows.feedDatabaseUrl)
  const query = read(rows.queryDatabaseUrl)
  const migrate = read(rows.migrateDatabaseUrl)
  if (writer === undefined) {
    const alone = [rows.feedDatabaseUrl, rows.queryDatabaseUrl, rows.migrateDatabaseUrl].find((row) => read(row) !== undefined)
    if (alone !== undefined) throw new StartError(`${alone.name} needs ${rows.databaseUrl.name} beside it.`)
    return undefined
  }
  if (mode === 'production') {
    if (feed === undefined)
      throw new StartError(`${rows.feedDatabaseUrl.name} is required in production when ${rows.databaseUrl.name} is set.`)
    if (feed === writer)
      throw new StartError(`${rows.feedDatabaseUrl.name} must be another login than ${rows.databaseUrl.name} in production.`)
    return Object.freeze({ writer, feed, query: query ?? feed, migrate })
  }
  return Object.freeze({ writer, feed: feed ?? writer, query: query ?? writer, migrate: migrate ?? writer })
}

const refuseUnsafeProduction = (config: Config): void => {
  if (config.tls === undefined && !config.tlsByProxy) {
    throw new StartError(
      `Production needs TLS: set ${rows.tlsCertFile.name} and ${rows.tlsKeyFile.name}, or ${rows.tlsByProxy.name}=true where a proxy ends it.`,
    )
  }
  if (config.demo) throw new StartError(`${rows.demo.name} is for development only.`)
  const url = config.jwks === undefined || !URL.canParse(config.jwks) ? undefined : new URL(config.jwks)
  if (url?.protocol === 'http:' && !isLoopback(url.hostname)) throw new StartError(`${rows.jwks.name} must use https in production.`)
}

/** Development tokens come from a key on disk, so a development service stays on its own machine unless the connection is protected. */
const refuseOpenDevelopment = (config: Config): void => {
  if (config.tls !== undefined || config.tlsByProxy) return
  for (const [row, address] of [
    [rows.grpcAddr, config.grpcAddr],
    [rows.httpAddr, config.httpAddr],
    [rows.metricsAddr, config.metricsAddr],
  ] as const) {
    if (address !== undefined && !isLoopback(address.host)) {
      throw new StartError(
        `${row.name} is ${formatHostPort(address)}, which other machines can reach without TLS; use 127.0.0.1, set the TLS files, or ${rows.tlsByProxy.name}=true.`,
      )
    }
  }
}

/** Reads and checks the configuration. Throws StartError for the first thing that is wrong; the line never shows a secret's value. */
export const readConfig = (environment: Environment): Config => {
  refuseUnknown(environment)
  const mode = createReader(environment, 'development').always(rows.mode)
  const { read, always } = createReader(environment, mode)
  const config: Config = Object.freeze({
    mode,
    grpcAddr: Object.freeze(always(rows.grpcAddr)),
    httpAddr: Object.freeze(always(rows.httpAddr)),
    metricsAddr: readMetricsAddr(read),
    otlp: readOtlp(read),
    stateDir: always(rows.stateDir),
    tls: readTls(read),
    tlsByProxy: always(rows.tlsByProxy),
    jwks: read(rows.jwks),
    jwtIssuer: always(rows.jwtIssuer),
    jwtAudience: always(rows.jwtAudience),
    clockToleranceSeconds: always(rows.clockToleranceSeconds),
    masterKeyFile: read(rows.masterKeyFile),
    databaseUrls: readDatabaseUrls(read, mode),
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
  if (mode === 'production') refuseUnsafeProduction(config)
  else refuseOpenDevelopment(config)
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
  refuseUnknown(environment)
  const mode = createReader(environment, 'development').always(rows.mode)
  const { read, always } = createReader(environment, mode)
  const writer = read(rows.databaseUrl)
  const migrateUrl = read(rows.migrateDatabaseUrl) ?? (mode === 'development' ? writer : undefined)
  if (writer !== undefined && migrateUrl === undefined) throw new StartError(`${rows.migrateDatabaseUrl.name} is required to migrate.`)
  return Object.freeze({ mode, stateDir: always(rows.stateDir), migrateUrl, logLevel: always(rows.logLevel) })
}
