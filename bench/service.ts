import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { systemClock } from '../services/kernel/clock.ts'
import { readConfig } from '../services/kernel/config.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { adminRole } from '../services/kernel/postgres/data-directory.ts'
import { databaseUrl } from '../services/kernel/postgres/database-url.ts'
import type { Scope } from '../services/kernel/scopes.ts'
import { developmentKeyFile, readDevelopmentKey, signDevelopmentToken } from '../services/kernel/tokens/development-key.ts'
import { type BenchServer, startServer } from './child.ts'

/** The service as `chartwarden serve` runs it on its embedded Postgres, with everything else as it is by default. */
export interface BenchService extends BenchServer {
  /** The superuser's, on a database of the embedded server. */
  adminUrl(database: string): string
  token(clinics: readonly string[], scopes: readonly Scope[]): string
}

/** The database of the service. */
export const serviceDatabase = 'chartwarden'

export interface StartOptions {
  readonly stateDir: string
  /** Takes a profile of the processor's time when the service stops. */
  readonly profileDir?: string
  /** Variables beside those that every service here has. */
  readonly environment?: Readonly<Record<string, string>>
  /** What Node is given to run. Defaults to `chartwarden serve`. */
  readonly program?: readonly string[]
}

const serve = [path.join(import.meta.dirname, '../cli/launch.js'), 'serve']

/** Signs tokens with the development key that the service has made in its state directory. */
export const createTokens = async (
  stateDir: string,
  environment: Readonly<Record<string, string>>,
): Promise<(clinics: readonly string[], scopes: readonly Scope[]) => string> => {
  const key = await readDevelopmentKey(developmentKeyFile(stateDir))
  const { jwtIssuer: issuer, jwtAudience: audience } = readConfig(environment)
  return (clinics, scopes) =>
    signDevelopmentToken({
      key,
      issuer,
      audience,
      clinics,
      scopes,
      subject: 'bench',
      ttlSeconds: 14_400,
      clock: systemClock,
      randomness: systemRandomness,
    })
}

export const startService = async ({
  stateDir,
  profileDir,
  environment: more = {},
  program = serve,
}: StartOptions): Promise<BenchService> => {
  const anyPort = '127.0.0.1:0'
  const environment = {
    CHARTWARDEN_STATE_DIR: stateDir,
    CHARTWARDEN_GRPC_ADDR: anyPort,
    CHARTWARDEN_HTTP_ADDR: anyPort,
    CHARTWARDEN_METRICS_ADDR: anyPort,
    // Its entries would come between those that are counted.
    CHARTWARDEN_SELF_CHECK_HOURS: '0',
    ...more,
  }
  const profiling = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`]
  const server = await startServer([...profiling, ...program], environment)
  const password = (await readFile(path.join(stateDir, 'postgres.password'), 'utf8')).trim()
  const port = Number(server.logged('postgres.started')['port'])
  return {
    ...server,
    adminUrl: (database) => databaseUrl({ host: '127.0.0.1', port, user: adminRole, password, database }),
    token: await createTokens(stateDir, environment),
  }
}
