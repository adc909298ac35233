/** The whole service in this process or another, over a real database, with real gRPC clients. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2'
import type { Test } from 'tap'
import type { Ledger } from '../../services/audit/ledger.ts'
import type { Vault } from '../../services/audit/vault.ts'
import { type Service, startService } from '../../services/compose.ts'
import { type Clock, systemClock } from '../../services/kernel/clock.ts'
import { type Environment, readConfig } from '../../services/kernel/config.ts'
import { createGrpcClient, type GrpcClient } from '../../services/kernel/grpc/client.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { createLogger, type Logger } from '../../services/kernel/logging.ts'
import { type Scope, scopes } from '../../services/kernel/scopes.ts'
import { developmentKeyFile, readDevelopmentKey, signDevelopmentToken } from '../../services/kernel/tokens/development-key.ts'
import type { TestDatabase } from './postgres-server.ts'

/** Every scope but `act`, with which a person would have to be named everywhere. */
export const ownScopes = (Object.keys(scopes) as Scope[]).filter((scope) => scope !== 'act')

export interface TokenWishes {
  readonly clinics: readonly string[]
  /** Defaults to `ownScopes`. */
  readonly scopes?: readonly Scope[]
  /** Defaults to "practice-software". */
  readonly subject?: string
  readonly ttlSeconds?: number
}

export interface TestCallers {
  token(wishes: TokenWishes): Promise<string>
  /** A client that is closed when the test ends. */
  client<Methods extends GenServiceMethods>(service: GenService<Methods>, token: string, address: string): GrpcClient<Methods>
}

/** Where a service and its callers keep what they share; removed when the test ends. */
export const scratchDirectory = (test: Test, name: string): string => {
  const directory = mkdtempSync(path.join(os.tmpdir(), `chartwarden-${name}-`))
  test.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** The configuration of a service over a test database, listening on free ports. */
export const testEnvironment = (database: TestDatabase, stateDir: string): Environment => ({
  CHARTWARDEN_STATE_DIR: stateDir,
  CHARTWARDEN_GRPC_ADDR: '127.0.0.1:0',
  CHARTWARDEN_HTTP_ADDR: '127.0.0.1:0',
  CHARTWARDEN_METRICS_ADDR: 'off',
  CHARTWARDEN_LOG_LEVEL: 'fatal',
  DATABASE_URL: database.writerUrl,
  CHARTWARDEN_FEED_DATABASE_URL: database.feedUrl,
  CHARTWARDEN_QUERY_DATABASE_URL: database.queryUrl,
  CHARTWARDEN_MIGRATE_DATABASE_URL: database.migrateUrl,
})

export const testCallers = (test: Test, stateDir: string, environment: Environment): TestCallers => {
  const { jwtIssuer: issuer, jwtAudience: audience } = readConfig(environment)
  return {
    token: async (wishes) =>
      signDevelopmentToken({
        key: await readDevelopmentKey(developmentKeyFile(stateDir)),
        issuer,
        audience,
        clinics: wishes.clinics,
        scopes: wishes.scopes ?? ownScopes,
        subject: wishes.subject ?? 'practice-software',
        ttlSeconds: wishes.ttlSeconds ?? 600,
        clock: systemClock,
        randomness: systemRandomness,
      }),
    client: (service, token, address) => {
      const client = createGrpcClient(service, { address, token })
      test.teardown(() => client.disconnect())
      return client
    },
  }
}

export interface TestService extends Service {
  readonly address: string
  readonly stateDir: string
  token(wishes: TokenWishes): Promise<string>
  client<Methods extends GenServiceMethods>(service: GenService<Methods>, token: string): GrpcClient<Methods>
}

export interface TestServiceOptions {
  readonly database: TestDatabase
  /** Share one between replicas. */
  readonly stateDir?: string
  readonly decorateLedger?: (ledger: Ledger) => Ledger
  readonly decorateVault?: (vault: Vault) => Vault
  readonly snapshotEvery?: number
  readonly settleUnknownMs?: number
  readonly selfCheckTickMs?: number
  readonly backupTickMs?: number
  readonly drillTickMs?: number
  /** Defaults to the machine's. */
  readonly clock?: Clock
  /** Variables beside, or in place of, those of `testEnvironment`. */
  readonly environment?: Environment
  /** Defaults to one that says nothing. */
  readonly logger?: Logger
}

/** Starts the service in this process; it stops when the test ends. */
export const startTestService = async (test: Test, options: TestServiceOptions): Promise<TestService> => {
  const stateDir = options.stateDir ?? scratchDirectory(test, 'service')
  const environment = { ...testEnvironment(options.database, stateDir), ...options.environment }
  const service = await startService({
    config: readConfig(environment),
    logger: options.logger ?? createLogger({ level: process.env.TEST_LOG_LEVEL === 'info' ? 'info' : 'fatal' }),
    clock: options.clock ?? systemClock,
    randomness: systemRandomness,
    ...(options.decorateLedger === undefined ? {} : { decorateLedger: options.decorateLedger }),
    ...(options.decorateVault === undefined ? {} : { decorateVault: options.decorateVault }),
    ...(options.snapshotEvery === undefined ? {} : { snapshotEvery: options.snapshotEvery }),
    ...(options.settleUnknownMs === undefined ? {} : { settleUnknownMs: options.settleUnknownMs }),
    ...(options.selfCheckTickMs === undefined ? {} : { selfCheckTickMs: options.selfCheckTickMs }),
    ...(options.backupTickMs === undefined ? {} : { backupTickMs: options.backupTickMs }),
    ...(options.drillTickMs === undefined ? {} : { drillTickMs: options.drillTickMs }),
  })
  const callers = testCallers(test, stateDir, environment)
  const address = `127.0.0.1:${service.grpcPort}`
  test.teardown(() => service.stop())
  return { ...service, address, stateDir, token: callers.token, client: (definition, token) => callers.client(definition, token, address) }
}
