import type { Ledger } from './audit/ledger.ts'
import type { Vault } from './audit/vault.ts'
import type { Service } from './compose.ts'
import type { OpenDoors } from './compose-doors.ts'
import type { Clock } from './kernel/clock.ts'
import type { Config } from './kernel/config.ts'
import type { Readiness } from './kernel/http/readiness.ts'
import type { Randomness } from './kernel/ids.ts'
import type { Logger } from './kernel/logging.ts'
import type { Databases } from './kernel/postgres/databases.ts'
import type { Observers } from './observability/observers.ts'
import type { WorkerState } from './workers/worker-pool.ts'

export interface ServiceOptions {
  readonly config: Config
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
  /** Stands between everything and the ledger. For tests: a gate, or a broken ledger that the tests must notice. */
  readonly decorateLedger?: (ledger: Ledger) => Ledger
  /** Stands between access and the vault. For tests: a broken vault that they must notice. */
  readonly decorateVault?: (vault: Vault) => Vault
  /** State-changing entries after which a snapshot of a clinic's state is written. For tests; defaults to 1,000. */
  readonly snapshotEvery?: number
  /** For how long it is tried to find out what became of an append whose answer was lost, in milliseconds. For tests; defaults to 5,000. */
  readonly settleUnknownMs?: number
  /** Milliseconds between two looks whether a ledger is to be checked. For tests; defaults to a minute. */
  readonly selfCheckTickMs?: number
  /** The same for backups. */
  readonly backupTickMs?: number
  /** The same for drills. */
  readonly drillTickMs?: number
}

/**
 * What a process does. `whole`: everything. Where several share the work, one does what nobody waits for (`background`: sealing, read models,
 * checks, what ends by itself), and the others only answer calls (`answers`).
 */
export type ServicePart = 'whole' | 'background' | 'answers'

export interface PartOptions extends ServiceOptions {
  readonly part: ServicePart
  /** Processes that answer, where several do: they share the connections. Defaults to 1. */
  readonly workers?: number
  /** Makes the page of metrics, given what is counted here. */
  readonly metricsPage?: (own: () => Promise<string>) => Promise<string>
  /** What to say of this process's readiness, given how its parts stand. */
  readonly decorateReadiness?: (readiness: Readiness) => Readiness
  /** How those that answer stand, for metrics, in the process that starts them; undefined where there are none yet. */
  readonly workerStates?: () => Readonly<Record<WorkerState, number>> | undefined
}

/** A process that does its part. */
export interface RunningPart extends Pick<Service, 'metricsPort' | 'failed' | 'reload' | 'stop'> {
  readonly databases: Databases
  readonly observers: Observers | undefined
  /** What is counted here, as text; undefined where metrics are off. */
  readonly metrics: (() => Promise<string>) | undefined
  /** Undefined where nothing is answered. */
  readonly doors: OpenDoors | undefined
}
