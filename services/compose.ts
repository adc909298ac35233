/** The composition root: configuration → databases → ledger → services → servers, and back again in reverse. */
import { hkdfSync } from 'node:crypto'
import packageJson from '../package.json' with { type: 'json' }
import { ReportService } from '../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { createAccess } from './access/index.ts'
import type { ReadingRequest } from './access/reading.ts'
import { createPostgresSnapshotStore } from './access/snapshot/postgres-snapshot-store.ts'
import { createSnapshots } from './access/snapshots.ts'
import { announceReady } from './announce-ready.ts'
import { createLogDoors } from './audit/log/doors/log-doors.ts'
import { createOriginOf } from './audit/log/origin-of.ts'
import { createRefusalRecorder } from './audit/refusals.ts'
import { createKeyTransfer } from './audit/vault/key-transfer.ts'
import { createMasterKey } from './audit/vault/master-key.ts'
import { createPostgresKeyStore } from './audit/vault/postgres-key-store.ts'
import { noBackups, startBackups } from './compose-backups.ts'
import { composeChecks } from './compose-checks.ts'
import { createDoors, type OpenDoors } from './compose-doors.ts'
import { composeLedger } from './compose-ledger.ts'
import { implement } from './kernel/grpc/implement.ts'
import type { OnRefusal } from './kernel/refusal.ts'
import { expiryOf } from './kernel/tls.ts'
import { watchTls } from './kernel/tls-watch.ts'
import { startObservability } from './observability/start-observability.ts'
import { createProjections } from './projections/index.ts'
import { createReadiness } from './readiness.ts'
import type { PartOptions, RunningPart, ServiceOptions } from './service-part.ts'
import { Teardown } from './teardown.ts'

/** A running service. */
export interface Service {
  readonly grpcPort: number
  readonly httpPort: number
  /** Where `/metrics` answers; undefined where it is off. */
  readonly metricsPort: number | undefined
  /** Settles only if the service can no longer work, with why: the embedded database does not start any more. */
  readonly failed: Promise<unknown>
  /** Reads the certificate files again, now instead of within seconds. */
  reload(): Promise<void>
  /** Stops taking, finishes what was accepted, then closes the database. Safe to call twice. */
  stop(): Promise<void>
}

/** Fetching entry bundles: a reading by the calling software, since a path names no person. */
const entryBundles = (clinic: string): ReadingRequest => ({
  clinic,
  query: 'entry_bundles',
  scope: 'ledger.verify',
  needs: { resourceType: 'audit_log', action: 'read' },
  record: 'viewing',
  streamed: true,
  filter: {},
})

const start = async (options: PartOptions, teardown: Teardown): Promise<RunningPart> => {
  const {
    config,
    logger,
    clock,
    randomness,
    snapshotEvery,
    part,
    metricsPage,
    workerStates,
    decorateReadiness = (readiness) => readiness,
  } = options
  const answers = part !== 'background'
  const background = part !== 'answers'
  const observability = await startObservability({
    config,
    version: packageJson.version,
    logger,
    clock,
    listens: background,
    page: metricsPage,
  })
  teardown.add(() => observability.stop())
  const { tracer, observers, metricsPort } = observability
  const tlsWatch = config.tls === undefined || !answers ? undefined : await watchTls({ files: config.tls, clock, logger })
  teardown.add(() => tlsWatch?.stop())
  const below = await composeLedger(options, observability, teardown)
  const { databases, vault, masterKey, engine, entries, ledgerClock, batcher, queryGate, log, ledger, failed, witnessPolicy, witnesses } =
    below
  const refusals = createRefusalRecorder({
    ledger,
    vault,
    clock,
    randomness,
    now: ledgerClock.now,
    onFailure: (error) =>
      logger.error({ event: 'refusals.not_written', err: error }, 'refused calls are counted but could not be written yet'),
  })
  teardown.add(() => refusals.close())

  const pageTokenKey = (label: string): Uint8Array => Buffer.from(hkdfSync('sha256', masterKey, '', label, 32))
  const snapshots = createSnapshots({
    store: createPostgresSnapshotStore({ pool: databases.writer }),
    ledger,
    clock,
    logger,
    onSnapshot: observers?.snapshot,
    ...(snapshotEvery === undefined ? {} : { every: snapshotEvery }),
  })
  teardown.add(() => snapshots.close())

  const checks = composeChecks({
    ...options,
    ledger,
    log,
    entries,
    databases,
    vault,
    now: ledgerClock.now,
    onChecked: observers?.ledgerChecked,
  })
  const logDoors = createLogDoors({
    reader: log.reader,
    keys: log.keys,
    policy: witnessPolicy,
    signs: config.logOrigin !== undefined,
    ledger,
    entries,
    signed: async (clinic) => (await log.signed(clinic))?.size,
    handOut: log.handedOut,
    onDamage: (damage) => {
      observers?.logDamage()
      logger.error({ event: 'log.damaged', ...damage }, 'what is stored is not what was signed; nothing is answered from it')
    },
    clock,
    defaultDeadlineMs: config.defaultDeadlineMs,
  })
  const access = createAccess({
    ledger,
    snapshots,
    entries,
    ledgerClock,
    vault,
    lock: below.lock,
    clock,
    randomness,
    maxBatchItems: config.maxBatchItems,
    defaultDeadlineMs: config.defaultDeadlineMs,
    pageTokenKey: pageTokenKey('chartwarden access page tokens v1'),
    onFault: (error, { correlationId }) =>
      logger.error({ event: 'item.failed', correlationId, err: error }, 'an item of a batch or stream failed'),
    onExpiryFault: (error, clinic) => {
      observers?.expiryFault()
      logger.error(
        { event: 'expiry.failed', clinic, err: error },
        'what ended by itself could not be recorded yet; decisions do not depend on it',
      )
    },
    tracer,
    observer: observers?.access,
    requireServed: log.requireServed,
    log: { ...logDoors.handlers, checkLedger: checks.checkLedger },
    logKeyRotation:
      config.logOrigin === undefined
        ? undefined
        : { keys: log.keys, originOf: createOriginOf({ reader: log.reader, base: config.logOrigin }) },
    transfer: {
      entries,
      log: logDoors.published,
      awaitCheckpoint: logDoors.awaitCheckpoint,
      keys: createKeyTransfer({
        masterKey: createMasterKey(masterKey, randomness),
        keyStore: createPostgresKeyStore({ pool: databases.writer }),
        ledger,
      }),
      handOut: log.handedOut,
    },
  })
  access.expiry.start({ rounds: background })
  teardown.add(() => access.expiry.stop())
  const projections = createProjections({
    feed: engine,
    feedPool: databases.feed,
    queryPool: databases.query,
    queryGate,
    vault,
    authoriseReading: async (context, { continuation, ...reading }) => {
      const { revision } = await access.authoriseReading(context, {
        ...reading,
        scope: 'report.read',
        needs: { resourceType: 'audit_log', action: 'read' },
        record: continuation === true ? 'none' : 'viewing',
      })
      return { revision: revision ?? -1n }
    },
    defaultDeadlineMs: config.defaultDeadlineMs,
    pageTokenKey: pageTokenKey('chartwarden page tokens v1'),
    clock,
    randomness,
    logger,
    observer: observability.projection,
  })
  if (background) {
    projections.runner.start()
    teardown.add(() => projections.runner.stop())
    checks.selfCheck?.start()
    teardown.add(() => checks.selfCheck?.stop())
  }
  const backups = background
    ? await startBackups(
        { ...options, ...below, now: ledgerClock.now, onOutcome: observers?.backup, onDrilled: observers?.drilled },
        teardown,
      )
    : noBackups

  const onRefusal: OnRefusal = (refusal) => {
    observers?.refusal(refusal)
    refusals.record(refusal)
  }
  const shown = {
    signerInsideState: config.signing?.insideState,
    ledger,
    log,
    witnesses,
    ledgerClock,
    projections,
    ...backups,
  }
  const doors = !answers
    ? undefined
    : await createDoors(
        {
          config,
          services: [...access.services, implement(ReportService, projections.handlers)],
          logRoutes: logDoors.routes(async (context, clinic) => {
            await access.authoriseReading(context, entryBundles(clinic))
          }),
          tlsWatch,
          onRefusal,
          observability,
          readiness: (parts) => createReadiness({ ...shown, ...parts, tls: tlsWatch, background }),
          logger,
          clock,
          randomness,
        },
        teardown,
      )
  const ready = doors?.readiness ?? createReadiness({ ...shown, background })
  observability.watch({
    readiness: async () => decorateReadiness(await ready()),
    ledger,
    ledgerClock,
    batcher,
    background: background
      ? {
          log,
          witnesses,
          projections,
          selfCheck: checks.selfCheck,
          selfCheckHours: config.selfCheckHours,
          ...backups,
        }
      : undefined,
    maxQueuedEntries: config.maxQueuedEntries,
    verifier: doors?.verifier,
    admission: doors?.admission,
    workerStates,
    certificateExpiry: () => (tlsWatch === undefined ? undefined : expiryOf(tlsWatch.material)),
  })
  return {
    databases,
    metricsPort,
    observers,
    metrics: observability.metrics,
    failed,
    doors: await doors?.open(),
    reload: async () => tlsWatch?.reload(),
    stop: () => teardown.run(logger),
  }
}

/** As `startService`, for one process of several. */
export const startPart = async (options: PartOptions): Promise<RunningPart> => {
  const teardown = new Teardown()
  try {
    return await start(options, teardown)
  } catch (error) {
    await teardown.run(options.logger)
    throw error
  }
}

/** Starts a service; what was started is stopped again when a later step fails. Throws StartError with one clear line. */
export const startService = async (options: ServiceOptions): Promise<Service> => {
  const { databases, metricsPort, failed, doors, reload, stop } = await startPart({ ...options, part: 'whole' })
  const { grpcPort, httpPort, isServing, serving } = doors as OpenDoors
  const { mode } = options.config
  announceReady({
    logger: options.logger,
    facts: { grpcPort, httpPort, metricsPort, mode, embedded: databases.embedded },
    isServing,
    serving,
  })
  return { grpcPort, httpPort, metricsPort, failed, reload, stop }
}
