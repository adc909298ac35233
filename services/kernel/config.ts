/** The one configuration object; see `readConfig` for where each value comes from. PLACEHOLDER SHAPE: the fields below are agreed. */
export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

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
  readonly stateDir: string
  readonly tls: TlsFiles | undefined
  /** A proxy in front ends TLS: allows production without certificate files. */
  readonly tlsByProxy: boolean
  /** File or URL; undefined only in development, where a key is made. */
  readonly jwks: string | undefined
  readonly jwtIssuer: string
  readonly jwtAudience: string
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
  readonly defaultDeadlineMs: number
  readonly drainTimeoutMs: number
}
