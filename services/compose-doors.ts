/** The upper half of the composition: what callers reach, over gRPC and over HTTP. */
import openapi from '../proto/openapi.json' with { type: 'json' }
import type { LogDoors } from './audit/log/doors/log-doors.ts'
import { type Admission, createAdmission } from './kernel/calls/admission.ts'
import type { Clock } from './kernel/clock.ts'
import type { Config } from './kernel/config.ts'
import type { ServiceImplementation } from './kernel/grpc/implement.ts'
import { createGrpcServer } from './kernel/grpc/server.ts'
import type { Readiness } from './kernel/http/readiness.ts'
import { createHttpServer } from './kernel/http/server.ts'
import { createHttpTwins } from './kernel/http/twins.ts'
import type { Randomness } from './kernel/ids.ts'
import type { Logger } from './kernel/logging.ts'
import type { OnRefusal } from './kernel/refusal.ts'
import { methodRules } from './kernel/scopes.ts'
import type { TlsWatch } from './kernel/tls-watch.ts'
import { openDevelopmentKey } from './kernel/tokens/development-key.ts'
import { createTokenVerifier, type TokenVerifier } from './kernel/tokens/verifier.ts'
import type { Observability } from './observability/start-observability.ts'
import type { Teardown } from './teardown.ts'

export interface DoorsOptions {
  readonly config: Config
  readonly services: readonly ServiceImplementation[]
  readonly logRoutes: ReturnType<LogDoors['routes']>
  /** Undefined: no TLS. */
  readonly tlsWatch: TlsWatch | undefined
  readonly onRefusal: OnRefusal
  readonly observability: Pick<Observability, 'call' | 'http' | 'observers'>
  /** Whether the service can decide, given what is known here. */
  readonly readiness: (doors: { readonly verifier: TokenVerifier; readonly isStopping: () => boolean }) => () => Promise<Readiness>
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
}

/** Doors that listen. */
export interface OpenDoors {
  readonly grpcPort: number
  readonly httpPort: number
  /** Whether calls are answered by now; they are not while no token key was loaded. */
  isServing(): boolean
  /** Settles once calls are answered; not if the doors are closed before that. */
  readonly serving: Promise<void>
}

export interface Doors {
  readonly verifier: TokenVerifier
  readonly admission: Admission
  readonly readiness: () => Promise<Readiness>
  /** Listens. Throws StartError when an address cannot be had. */
  open(): Promise<OpenDoors>
}

/** Closing them is in the teardown as they are opened. Throws StartError where tokens can never be verified. */
export const createDoors = async (options: DoorsOptions, teardown: Teardown): Promise<Doors> => {
  const { config, services, logRoutes, tlsWatch, onRefusal, observability, logger, clock, randomness } = options
  const verifier = await createTokenVerifier({
    jwks: config.jwks ?? (await openDevelopmentKey({ stateDir: config.stateDir, logger, randomness })).jwks,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    clockToleranceSeconds: config.clockToleranceSeconds,
    clock,
    logger,
  })
  teardown.add(() => verifier.close())

  let stopping = false
  const readiness = options.readiness({ verifier, isStopping: () => stopping })
  const admission = createAdmission({ ...config, clock, onRefused: observability.observers?.loadRefused })
  const shared = {
    services,
    methodRules,
    verifier,
    onRefusal,
    admission,
    logger,
    clock,
    randomness,
    defaultDeadlineMs: config.defaultDeadlineMs,
  }
  const grpc = createGrpcServer({
    ...shared,
    address: config.grpcAddr,
    tls: tlsWatch?.material,
    maxMessageBytes: config.maxMessageBytes,
    reflection: config.grpcReflection,
    observer: observability.call,
    maxStreamsPerConnection: config.maxStreamsPerConnection,
  })
  const twins = createHttpTwins({ ...shared, maxCalls: config.maxHttpCalls })
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
      logRoutes(server, requireToken)
      server.get('/v1/openapi.json', { onRequest: requireToken() }, async () => openapi)
    },
  })
  tlsWatch?.onRenewal((material) => {
    grpc.renewTls(material)
    http.renewTls(material)
  })

  const open = async (): Promise<OpenDoors> => {
    teardown.add(() => http.drain(config.drainTimeoutMs))
    // Always in this order: processes that share ports chosen by the system tell them apart by it.
    const httpPort = await http.start()
    teardown.add(async () => {
      stopping = true
      await Promise.all([grpc.drain(config.drainTimeoutMs), twins.drain(config.drainTimeoutMs)])
    })
    const grpcPort = await grpc.start()
    let serving = false
    const served = Promise.withResolvers<void>()
    const serve = (): void => {
      if (stopping) return
      serving = true
      grpc.setServing(true)
      served.resolve()
    }
    if (verifier.keySetVersion() > 0) serve()
    else void verifier.keysLoaded.then(serve)
    return { grpcPort, httpPort, isServing: () => serving, serving: served.promise }
  }
  return { verifier, admission, readiness, open }
}
