/** The part of the composition that tries whether backups can be restored, by schedule or when somebody asks, and records what came out. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { createBatcher } from './audit/batcher.ts'
import { createPostgresEngine } from './audit/engines/postgres/engine.ts'
import type { Ledger } from './audit/ledger.ts'
import { createLedgerClock } from './audit/ledger-clock.ts'
import { masterKeySource } from './audit/vault/master-key-source.ts'
import { openVault } from './audit/vault/open-vault.ts'
import { createPostgresKeyStore } from './audit/vault/postgres-key-store.ts'
import type { Vault } from './audit/vault.ts'
import { createDrillSchedule, type DrillSchedule, type DrillScheduleOptions } from './drill-schedule.ts'
import { drillInThread } from './drill-thread.ts'
import type { Clock } from './kernel/clock.ts'
import type { Config } from './kernel/config.ts'
import type { Randomness } from './kernel/ids.ts'
import type { Logger } from './kernel/logging.ts'
import { type Databases, openDatabases } from './kernel/postgres/databases.ts'
import { reachDatabase } from './kernel/postgres/reach-database.ts'
import { checkSchema } from './kernel/postgres/schema-version.ts'
import type { DrillConfig } from './kernel/restore-config.ts'
import { StartError } from './kernel/start-error.ts'
import { createDrillRecorder } from './record-drill.ts'
import { schemaMigrations } from './schema-migrations.ts'
import type { Teardown } from './teardown.ts'

export interface StartDrillsOptions extends Pick<DrillScheduleOptions, 'now' | 'onDrilled'> {
  readonly config: Pick<Config, 'drill' | 'backup' | 'stateDir' | 'signing' | 'logLevel'>
  readonly databases: Pick<Databases, 'feed'>
  readonly ledger: Ledger
  readonly vault: Vault
  readonly masterKey: Buffer
  readonly clock: Clock
  readonly randomness: Randomness
  readonly logger: Logger
  /** As in the schedule. */
  readonly drillTickMs?: number | undefined
}

export interface ScheduledDrills {
  /** Undefined where none are made by schedule. */
  readonly drill: DrillSchedule | undefined
  /** Between two of them; 0: none. */
  readonly drillHours: number
}

export const noDrills: ScheduledDrills = { drill: undefined, drillHours: 0 }

/** Begins to make drills where the configuration says so, until the teardown. */
export const startDrills = (options: StartDrillsOptions, teardown: Teardown): ScheduledDrills => {
  const { config, databases, ledger, masterKey, drillTickMs } = options
  const { drill: settings, backup, stateDir, signing, logLevel } = config
  if (settings === undefined || backup === undefined) return noDrills
  const { hours, identityFile, scratch } = settings
  const task = { stateDir, target: backup.target, identityFile, masterKey, signing, scratch, logLevel }
  const drill = createDrillSchedule({
    ...options,
    drill: (signal) => drillInThread(task, signal),
    record: createDrillRecorder(options),
    pool: databases.feed,
    ledger,
    hours,
    ...(drillTickMs === undefined ? {} : { tickMs: drillTickMs }),
  })
  drill.start()
  teardown.add(() => drill.stop())
  return { drill, drillHours: hours }
}

export interface DrillRecordingOptions {
  readonly config: DrillConfig
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
}

/**
 * For a command that makes a drill: what records it, beside the services of a server or in place of the service of an embedded database. Throws
 * StartError where the ledger cannot be had, before anything is tried.
 */
export const withDrillRecorder = async <Result>(
  { config, logger, clock, randomness }: DrillRecordingOptions,
  work: (record: ReturnType<typeof createDrillRecorder>) => Promise<Result>,
): Promise<Result> => {
  if (config.databaseUrls === undefined && !existsSync(path.join(config.stateDir, 'postgres', 'data'))) {
    throw new StartError(
      'There is no database to record a drill in: name it in DATABASE_URL or CHARTWARDEN_STATE_DIR, or record nothing (--no-record).',
    )
  }
  const databases = await openDatabases({ config, logger, clock, randomness })
  const engine = createPostgresEngine({ writer: databases.writer, feed: databases.feed })
  const ledgerClock = createLedgerClock({ clock })
  const ledger = createBatcher({ engine, clock, ledgerClock })
  try {
    await reachDatabase(databases.writer, 'DATABASE_URL')
    await checkSchema(databases.writer, schemaMigrations)
    const { name, read } = masterKeySource(config.masterKey, config.stateDir, randomness)
    const keyStore = createPostgresKeyStore({ pool: databases.writer })
    const { vault } = await openVault({ source: { name, read }, keyStore, clock, randomness })
    await ledger.time()
    return await work(createDrillRecorder({ ledger, vault, clock, randomness, now: ledgerClock.now }))
  } finally {
    await ledger.drain()
    await engine.close()
    await databases.close()
  }
}
