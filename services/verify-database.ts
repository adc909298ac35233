/** Checking ledgers straight in their database, beside or without a running service. */
import { changesState } from './access/changes-state.ts'
import { findLedgerPlace } from './audit/engines/ledger-place.ts'
import type { LedgerReport } from './audit/log/verify/report.ts'
import { inLedgerDatabase } from './audit/log/verify/sources/database.ts'
import { type Anchors, verifyLedger } from './audit/log/verify/verify-ledger.ts'
import type { Environment } from './kernel/config.ts'
import type { Logger } from './kernel/logging.ts'
import { createPool, endPool } from './kernel/postgres/pool.ts'
import { reachDatabase } from './kernel/postgres/reach-database.ts'
import { readSecretFiles } from './kernel/secret-files.ts'
import { StartError } from './kernel/start-error.ts'

export interface VerifyDatabaseOptions {
  readonly environment: Environment
  readonly logger: Logger
  /** Undefined: every ledger there is. */
  readonly clinic: string | undefined
  /** What there is from outside for a clinic. */
  readonly anchorsOf: (clinic: string) => Anchors
  /** Clinics that there are anchors of: each must be in the database. */
  readonly anchored: readonly string[]
  /** Told when a ledger is begun, with the entries that it is said to have; what it returns is told how many have been read. */
  readonly onLedger: (clinic: string, entries: bigint) => (read: bigint) => void
}

/**
 * The database that CHARTWARDEN_FEED_DATABASE_URL names, else DATABASE_URL; the keys of logs are read as DATABASE_URL, where that is set. One
 * report after the other. Throws StartError where none is named or its login is not shown everything.
 */
export async function* verifyDatabase(options: VerifyDatabaseOptions): AsyncGenerator<LedgerReport> {
  const { clinic, anchorsOf, anchored, onLedger, logger } = options
  const environment = readSecretFiles(options.environment)
  const [feedUrl, writerUrl] = [environment['CHARTWARDEN_FEED_DATABASE_URL'] || undefined, environment['DATABASE_URL'] || undefined]
  const url = feedUrl ?? writerUrl
  if (url === undefined) {
    throw new StartError('CHARTWARDEN_FEED_DATABASE_URL or DATABASE_URL is required; an embedded database is checked through its service.')
  }
  const endless = { statementTimeoutMs: 0, idleInTransactionTimeoutMs: 0 }
  const pool = createPool({ url, applicationName: 'chartwarden-verify', logger, max: 1, ...endless })
  const keys = createPool({ url: writerUrl ?? url, applicationName: 'chartwarden-verify', logger, max: 1 })
  try {
    await reachDatabase(pool, feedUrl === undefined ? 'DATABASE_URL' : 'CHARTWARDEN_FEED_DATABASE_URL')
    if ((await findLedgerPlace(pool)) === 'kurrent') {
      throw new StartError(
        'The entries of these ledgers are in KurrentDB, not in this database: check them through the service, or a bundle of it.',
      )
    }
    const clinics =
      clinic === undefined
        ? new Set([...(await inLedgerDatabase({ pool, keys }, (database) => database.clinics())), ...anchored])
        : [clinic]
    for (const each of clinics) {
      yield await inLedgerDatabase({ pool, keys }, async (database) => {
        const source = await database.source(each)
        const onProgress = onLedger(each, source.claimedSize ?? 0n)
        return verifyLedger({ source, anchors: anchorsOf(each), changesState, onProgress })
      })
    }
  } finally {
    await endPool(keys)
    await endPool(pool)
  }
}
