/** The lower half of the composition: databases → vault → ledger → logs. */
import { createBatcher } from './audit/batcher.ts'
import { createClinicLock } from './audit/clinic-lock.ts'
import { createLedgerClock } from './audit/ledger-clock.ts'
import { createLog } from './audit/log/index.ts'
import { readWitnessPolicy } from './audit/log/read-witness-policy.ts'
import { createWitnessRounds } from './audit/log/witness-rounds.ts'
import { createLedgerObservation } from './audit/observed-ledger.ts'
import { settleUnknown } from './audit/settle-unknown.ts'
import { createLogKeys } from './audit/vault/create-log-keys.ts'
import { createMasterKey } from './audit/vault/master-key.ts'
import { masterKeySource } from './audit/vault/master-key-source.ts'
import { openVault } from './audit/vault/open-vault.ts'
import { createPostgresKeyStore } from './audit/vault/postgres-key-store.ts'
import { createPostgresLogKeyStore } from './audit/vault/postgres-log-key-store.ts'
import { createClinicGate } from './kernel/clinic-gate.ts'
import { type Databases, openDatabases } from './kernel/postgres/databases.ts'
import { migrate } from './kernel/postgres/migrate.ts'
import { connectionsOf, poolSizes } from './kernel/postgres/pool-sizes.ts'
import { reachDatabases } from './kernel/postgres/reach-database.ts'
import { checkSchema } from './kernel/postgres/schema-version.ts'
import type { Observability } from './observability/start-observability.ts'
import { openEngine } from './open-engine.ts'
import { schemaMigrations } from './schema-migrations.ts'
import type { PartOptions } from './service-part.ts'
import type { Teardown } from './teardown.ts'

const bringUpToDate = async (databases: Databases, { logger }: PartOptions): Promise<void> => {
  await reachDatabases(databases)
  if (databases.migrate !== undefined) {
    const applied = await migrate(databases.migrate, schemaMigrations)
    if (applied.length > 0) logger.info({ event: 'database.migrated', applied }, 'the database schema was brought up to date')
  } else {
    const later = await checkSchema(databases.writer, schemaMigrations)
    if (later.length > 0) logger.info({ event: 'database.later_schema', later }, 'a later release has added to the database schema')
  }
  await databases.check()
}

/** Throws StartError with one clear line where something cannot be had; what was made by then is in the teardown. */
export const composeLedger = async (
  options: PartOptions,
  { tracer, observers }: Pick<Observability, 'tracer' | 'observers'>,
  teardown: Teardown,
) => {
  const { config, logger, clock, randomness, decorateLedger = (ledger) => ledger, decorateVault = (vault) => vault } = options
  const { part, workers = 1, settleUnknownMs } = options
  const background = part !== 'answers'
  // What can be seen to be wrong without a database is said before one is started.
  const source = masterKeySource(config.masterKey, config.stateDir, randomness)
  if (config.masterKey !== undefined) await source.read()
  const witnessPolicy = config.witnesses === undefined ? undefined : await readWitnessPolicy(config.witnesses.policyFile, config.mode)

  const databases = await openDatabases({
    config,
    logger,
    clock,
    randomness,
    sizes: poolSizes(part, workers),
    // Ten for whoever looks after it.
    embeddedConnections: part === 'background' ? connectionsOf(workers) + 10 : 0,
  })
  teardown.add(() => databases.close())
  await bringUpToDate(databases, options)
  const failed = new Promise<unknown>((resolve) => {
    databases.onExit((exit) => {
      if (exit.kind === 'failed') resolve(exit.error)
    })
  })

  const { vault: openedVault, masterKey } = await openVault({
    source,
    keyStore: createPostgresKeyStore({ pool: databases.writer }),
    clock,
    randomness,
  })
  const vault = decorateVault(openedVault)
  const { engine, maxBatchBytes, createReader } = await openEngine({
    config,
    databases,
    clock,
    randomness,
    logger,
    onConflict: observers?.kurrentConflict,
  })
  teardown.add(() => engine.close())
  const ledgerClock = createLedgerClock({ clock })
  const observation = createLedgerObservation({ tracer, observer: observers?.ledger, clock })
  const batcher = createBatcher({
    engine: observation.engine(engine),
    clock,
    ledgerClock,
    maxQueuedEntries: config.maxQueuedEntries,
    ...(maxBatchBytes === undefined ? {} : { maxBatchBytes }),
    onBatch: (stats) => {
      observers?.batch(stats)
      logger.debug({ event: 'ledger.batch', ...stats }, 'one statement')
    },
  })
  teardown.add(() => batcher.drain())
  const settling = settleUnknown({
    ledger: batcher,
    engine,
    clock,
    onSettled: observers?.settled,
    ...(settleUnknownMs === undefined ? {} : { maxMs: settleUnknownMs }),
  })
  const unguarded = observation.ledger(settling)
  await unguarded.time()

  const places = databases.sizes.query
  const queryGate = createClinicGate({ places, clinicPlaces: Math.max(2, Math.floor(places / 4)), clock })
  const log = await createLog({
    signing: config.signing,
    seals: background,
    signedElsewhere: config.signing === undefined && config.logOrigin !== undefined,
    feedPool: databases.feed,
    queryPool: databases.query,
    queryGate,
    engine,
    ledger: unguarded,
    vault,
    keys: createLogKeys({
      masterKey: createMasterKey(masterKey, randomness),
      store: createPostgresLogKeyStore({ pool: databases.writer }),
      randomness,
      clock,
      now: ledgerClock.now,
    }),
    clock,
    randomness,
    now: ledgerClock.now,
    logger,
    observer: observers?.sealer,
    witnessPolicy,
  })
  teardown.add(() => log.close())
  if (background && config.signing?.insideState === true) {
    logger.warn(
      { event: 'log.signer_inside_state', directory: config.signing.signerDir },
      'the signer store lies in the state directory: a restored backup of both is not noticed; production needs it elsewhere',
    )
  }
  await log.check()
  if (background) log.start()
  teardown.add(() => log.stop())
  const witnesses =
    config.witnesses === undefined || witnessPolicy === undefined || !background
      ? undefined
      : createWitnessRounds({
          policy: witnessPolicy,
          writer: log.writer,
          reader: log.reader,
          active: () => log.state === 'publishing',
          intervalMs: config.witnesses.intervalMs,
          clock,
          logger,
          onOutcome: observers?.witness,
        })
  witnesses?.start()
  teardown.add(() => witnesses?.stop())
  const ledger = decorateLedger(log.guard(unguarded))
  const lock = createClinicLock({ pool: databases.writer, clock })
  const entries = createReader(queryGate)
  return {
    databases,
    lock,
    vault,
    masterKey,
    engine,
    entries,
    ledgerClock,
    batcher,
    queryGate,
    log,
    ledger,
    failed,
    witnessPolicy,
    witnesses,
  }
}
