/** The composition root: configuration → databases → ledger → services → servers, and back again in reverse. */
import { hkdfSync } from 'node:crypto'
import packageJson from '../package.json' with { type: 'json' }
import { ReportService } from '../proto/gen/chartwarden/report/v1/report_service_pb.js'
import openapi from '../proto/openapi.json' with { type: 'json' }
import { createAccess } from './access/index.ts'
import type { ReadingRequest } from './access/reading.ts'
import { createPostgresSnapshotStore } from './access/snapshot/postgres-snapshot-store.ts'
import { createSnapshots } from './access/snapshots.ts'
import { createClinicReader } from './audit/engines/postgres/clinic-reader.ts'
import type { Ledger } from './audit/ledger.ts'
import { createLogDoors } from './audit/log/doors/log-doors.ts'
import { createOriginOf } from './audit/log/origin-of.ts'
import { createRefusalRecorder } from './audit/refusals.ts'
import { createKeyTransfer } from './audit/vault/key-transfer.ts'
import { createMasterKey } from './audit/vault/master-key.ts'
import { createPostgresKeyStore } from './audit/vault/postgres-key-store.ts'
import type { Vault } from './audit/vault.ts'
import { composeChecks } from './compose-checks.ts'
import { composeLedger } from './compose-ledger.ts'
import type { Clock } from './kernel/clock.ts'
import type { Config } from './kernel/config.ts'
import { implement } from './kernel/grpc/implement.ts'
import { createGrpcServer } from './kernel/grpc/server.ts'
import { createHttpServer } from './kernel/http/server.ts'
import { createHttpTwins } from './kernel/http/twins.ts'
import type { Randomness } from './kernel/ids.ts'
import type { Logger } from './kernel/logging.ts'
import type { OnRefusal } from './kernel/refusal.ts'
import { methodRules } from './kernel/scopes.ts'
import { expiryOf } from './kernel/tls.ts'
import { watchTls } from './kernel/tls-watch.ts'
import { openDevelopmentKey } from './kernel/tokens/development-key.ts'
import { createTokenVerifier } from './kernel/tokens/verifier.ts'
import { startObservability } from './observability/start-observability.ts'
import { createProjections } from './projections/index.ts'
import { createReadiness } from './readiness.ts'
import { Teardown } from './teardown.ts'

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
  /** Milliseconds between two looks whether a ledger is to be checked. For tests; defaults to a minute. */
  readonly selfCheckTickMs?: number
}

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

const start = async (options: ServiceOptions, teardown: Teardown): Promise<Service> => {
  const { config, logger, clock, randomness, snapshotEvery } = options
  const observability = await startObservability({ config, version: packageJson.version, logger, clock })
  teardown.add(() => observability.stop())
  const { tracer, observers, metricsPort } = observability
  const tlsWatch = config.tls === undefined ? undefined : await watchTls({ files: config.tls, clock, logger })
  teardown.add(() => tlsWatch?.stop())
  const below = await composeLedger(options, observability, teardown)
  const { databases, vault, masterKey, engine, ledgerClock, batcher, queryGate, log, ledger, failed, witnessPolicy, witnesses } = below
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

  const entries = createClinicReader({ pool: databases.query, gate: queryGate, clock })
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
  access.expiry.start()
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
  projections.runner.start()
  teardown.add(() => projections.runner.stop())
  checks.selfCheck?.start()
  teardown.add(() => checks.selfCheck?.stop())

  const verifier = await createTokenVerifier({
    jwks: config.jwks ?? (await openDevelopmentKey({ stateDir: config.stateDir, logger, randomness })).jwks,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    clockToleranceSeconds: config.clockToleranceSeconds,
    clock,
    logger,
  })
  teardown.add(() => verifier.close())

  const onRefusal: OnRefusal = (refusal) => {
    observers?.refusal(refusal)
    refusals.record(refusal)
  }
  const doors = {
    services: [...access.services, implement(ReportService, projections.handlers)],
    methodRules,
    verifier,
    onRefusal,
    logger,
    clock,
    randomness,
    defaultDeadlineMs: config.defaultDeadlineMs,
  }
  const grpc = createGrpcServer({
    ...doors,
    address: config.grpcAddr,
    tls: tlsWatch?.material,
    maxMessageBytes: config.maxMessageBytes,
    reflection: config.grpcReflection,
    observer: observability.call,
    maxStreamsPerConnection: config.maxStreamsPerConnection,
  })
  let stopping = false
  const readiness = createReadiness({
    signerInsideState: config.signing?.insideState,
    ledger,
    log,
    witnesses,
    ledgerClock,
    projections,
    verifier,
    isStopping: () => stopping,
    tls: tlsWatch,
  })
  observability.watch({
    readiness,
    ledger,
    ledgerClock,
    batcher,
    log,
    witnesses,
    maxQueuedEntries: config.maxQueuedEntries,
    selfCheck: checks.selfCheck,
    selfCheckHours: config.selfCheckHours,
    projections,
    verifier,
    certificateExpiry: () => (tlsWatch === undefined ? undefined : expiryOf(tlsWatch.material)),
  })
  const twins = createHttpTwins({ ...doors, maxCalls: config.maxHttpCalls })
  const http = await createHttpServer({
    address: config.httpAddr,
    tls: tlsWatch?.material,
    verifier,
    logger,
    readiness,
    onRefusal,
    observer: observability.http,
    randomness,
    bodyLimit: config.maxMessageBytes,
    routes: async (server, requireToken) => {
      await twins.routes(server)
      logDoors.routes(async (context, clinic) => {
        await access.authoriseReading(context, entryBundles(clinic))
      })(server, requireToken)
      server.get('/v1/openapi.json', { onRequest: requireToken() }, async () => openapi)
    },
  })
  tlsWatch?.onRenewal((material) => {
    grpc.renewTls(material)
    http.renewTls(material)
  })
  teardown.add(() => http.drain(config.drainTimeoutMs))
  const httpPort = await http.start()
  teardown.add(async () => {
    stopping = true
    await Promise.all([grpc.drain(config.drainTimeoutMs), twins.drain(config.drainTimeoutMs)])
  })
  const grpcPort = await grpc.start()
  const started = { grpcPort, httpPort, metricsPort, mode: config.mode, embedded: databases.embedded }
  const tellReady = (): void => {
    if (stopping) return
    grpc.setServing(true)
    logger.info({ event: 'service.ready', ...started }, 'ready')
  }
  if (verifier.keySetVersion() > 0) tellReady()
  else {
    logger.warn({ event: 'service.started', ...started }, 'listening, but not ready: token keys not loaded yet')
    void verifier.keysLoaded.then(tellReady)
  }
  return { grpcPort, httpPort, metricsPort, failed, reload: async () => tlsWatch?.reload(), stop: () => teardown.run(logger) }
}

/** Starts a service; what was started is stopped again when a later step fails. Throws StartError with one clear line. */
export const startService = async (options: ServiceOptions): Promise<Service> => {
  const teardown = new Teardown()
  try {
    return await start(options, teardown)
  } catch (error) {
    await teardown.run(options.logger)
    throw error
  }
}
