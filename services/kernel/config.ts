/**
 * The one configuration object. Every value comes from one variable of `configVariables`; all that is wrong, unknown or unsafe stops the
 * start with one line.
 */
import { join } from 'node:path'
import { type BackupSettings, readBackup } from './backup-settings.ts'
import { type Environment, type Problems, type Reader, refuse, startReading } from './config-reader.ts'
import { type ConfigVariable, type Mode, type Row, rows } from './config-variables.ts'
import { type DatabaseUrls, readDatabaseUrls } from './database-settings.ts'
import { formatHostPort, type HostPort, isLoopback } from './host-port.ts'
import { readKurrentUrl } from './kurrent-settings.ts'
import { liesIn } from './lies-in.ts'
import type { Quota } from './quota.ts'
import { type DrillSettings, readDrill } from './restore-settings.ts'

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** Authorities of client certificates; undefined: clients need none. */
  readonly clientCaFile?: string
}

export type { DatabaseUrls, Environment, HostPort }

/** Where the key that wraps all others comes from. */
export type MasterKeySetting = { readonly kind: 'file'; readonly file: string } | { readonly kind: 'key'; readonly key: Buffer }

export interface SigningSettings {
  /** The directory of the signer store. */
  readonly signerDir: string
  /** What the names of logs begin with. */
  readonly logOrigin: string
  readonly publishIntervalMs: number
  /** Whether the directory lies in the state directory: what puts one of them back to an older state does so to the other. */
  readonly insideState: boolean
}

export interface WitnessSettings {
  /** C2SP tlog-policy. */
  readonly policyFile: string
  /** Between two looks for new checkpoints. */
  readonly intervalMs: number
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
  /** Undefined: a file made in the state directory (development only). */
  readonly masterKey: MasterKeySetting | undefined
  /** What is signed, and how often; undefined: nothing is by this process. */
  readonly signing: SigningSettings | undefined
  /** What the names of logs begin with, whichever process of the installation signs them; undefined: none does. */
  readonly logOrigin: string | undefined
  /** Undefined: no witness is asked. */
  readonly witnesses: WitnessSettings | undefined
  /** Undefined: embedded Postgres in the state directory. */
  readonly databaseUrls: DatabaseUrls | undefined
  /** Undefined: the ledgers are in PostgreSQL. Holds a password. */
  readonly kurrentUrl: string | undefined
  /** Registers the demo clinic at start (development only). */
  readonly demo: boolean
  readonly grpcReflection: boolean
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  /** Processes that answer calls. */
  readonly workers: number | 'auto'
  readonly maxMessageBytes: number
  readonly maxBatchItems: number
  /** Between two scheduled checks of a ledger; 0: none. */
  readonly selfCheckHours: number
  /** Undefined: no backups are made. */
  readonly backup: BackupSettings | undefined
  /** Undefined: none are made by schedule. */
  readonly drill: DrillSettings | undefined
  readonly maxQueuedEntries: number
  /** Questions and records. */
  readonly maxUnderWay: number
  /** Undefined: none. */
  readonly callerQuota: Quota | undefined
  readonly clinicQuota: Quota | undefined
  readonly maxStreamsPerConnection: number
  readonly maxHttpCalls: number
  readonly defaultDeadlineMs: number
  readonly drainTimeoutMs: number
}

/** The documented variables as data, in the order of the documentation. */
export const configVariables: readonly ConfigVariable[] = Object.freeze(
  Object.values<Row<unknown>>(rows).map(({ parse: _parse, ...variable }) => Object.freeze(variable)),
)

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

export const readMasterKey = ({ mode, problems, read }: Reader): MasterKeySetting | undefined => {
  const file = read(rows.masterKeyFile)
  const key = read(rows.masterKey)
  if (file !== undefined && key !== undefined)
    problems.add(`${rows.masterKeyFile.name} and ${rows.masterKey.name} are both set; keep one of them.`)
  if (file !== undefined) return Object.freeze({ kind: 'file', file })
  if (key !== undefined) return Object.freeze({ kind: 'key', key })
  if (mode === 'production') problems.add(`${rows.masterKeyFile.name} or ${rows.masterKey.name} is required in production.`)
  return undefined
}

export const readSigning = ({ mode, problems, read, always }: Reader): SigningSettings | undefined => {
  const given = read(rows.signerDir)
  const logOrigin = read(rows.logOrigin)
  const publishIntervalMs = always(rows.publishIntervalMs)
  const signerDir = given ?? (mode === 'development' ? join(always(rows.stateDir), 'signer') : 'off')
  if (signerDir === 'off') return undefined
  if (logOrigin === undefined) {
    problems.add(`${rows.logOrigin.name} is required in production when ${rows.signerDir.name} is set.`)
    return undefined
  }
  const stateDir = always(rows.stateDir)
  const insideState = liesIn(signerDir, stateDir)
  if (mode === 'production' && insideState) {
    problems.add(
      `${rows.signerDir.name} lies in ${rows.stateDir.name} (${stateDir}); give it a place that no backup puts back together with the database.`,
    )
    return undefined
  }
  return Object.freeze({ signerDir, logOrigin, publishIntervalMs, insideState })
}

/** Without a signer store another process signs, if somebody says what the logs are called. */
const readLogOrigin = ({ read }: Reader, environment: Environment, signing: SigningSettings | undefined): string | undefined =>
  signing?.logOrigin ?? ((environment[rows.logOrigin.name] ?? '') === '' ? undefined : read(rows.logOrigin))

const readWitnesses = ({ read, always }: Reader): WitnessSettings | undefined => {
  const policyFile = read(rows.witnessPolicy)
  const intervalMs = always(rows.witnessIntervalMs)
  return policyFile === undefined ? undefined : Object.freeze({ policyFile, intervalMs })
}

const readQuota = ({ read }: Reader, row: Row<Quota | 'off'>): Quota | undefined => {
  const quota = read(row)
  return quota === 'off' ? undefined : quota
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

/** Reads and checks the configuration. Throws StartError with all that is wrong in one line, which never shows a secret's value. */
export const readConfig = (environment: Environment): Config => {
  const reader = startReading(environment)
  const { mode, problems, read, always } = reader
  const signing = readSigning(reader)
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
    masterKey: readMasterKey(reader),
    signing,
    logOrigin: readLogOrigin(reader, environment, signing),
    witnesses: readWitnesses(reader),
    databaseUrls: readDatabaseUrls(reader),
    kurrentUrl: readKurrentUrl(reader),
    demo: always(rows.demo),
    grpcReflection: always(rows.grpcReflection),
    logLevel: always(rows.logLevel),
    workers: always(rows.workers),
    maxMessageBytes: always(rows.maxMessageBytes),
    maxBatchItems: always(rows.maxBatchItems),
    selfCheckHours: always(rows.selfCheckHours),
    backup: readBackup(reader),
    drill: readDrill(reader),
    maxQueuedEntries: always(rows.maxQueuedEntries),
    maxUnderWay: always(rows.maxUnderWay),
    callerQuota: readQuota(reader, rows.callerQuota),
    clinicQuota: readQuota(reader, rows.clinicQuota),
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

/** As `readConfig`, for the commands that look after the signer store. Throws StartError where none is configured. */
export const readSigningConfig = (environment: Environment): SigningSettings => {
  const reader = startReading(environment)
  const signing = readSigning(reader)
  if (signing === undefined) reader.problems.add(`${rows.signerDir.name} names no directory, so nothing is signed here.`)
  refuse(reader.problems)
  return signing as SigningSettings
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

/** What the commands need that back up and restore. */
export interface BackupConfig {
  readonly mode: Mode
  readonly stateDir: string
  readonly masterKey: MasterKeySetting | undefined
  /** Undefined: the embedded database. */
  readonly databaseUrls: DatabaseUrls | undefined
  readonly backup: BackupSettings
  readonly logLevel: Config['logLevel']
}

/** As `readConfig`, for those commands. Throws StartError where no target is configured. */
export const readBackupConfig = (environment: Environment): BackupConfig => {
  const reader = startReading(environment)
  const backup = readBackup(reader)
  if (backup === undefined) reader.problems.add(`${rows.backupTarget.name} is required.`)
  const config = Object.freeze({
    mode: reader.mode,
    stateDir: reader.always(rows.stateDir),
    masterKey: readMasterKey(reader),
    databaseUrls: readDatabaseUrls(reader),
    backup: backup as BackupSettings,
    logLevel: reader.always(rows.logLevel),
  })
  refuse(reader.problems)
  return config
}
