/** What an operator does to the read models beside letting the services keep them: look, have one built anew, have parked entries tried again. */
import { sql } from 'kysely'
import { createFeedEnd } from './audit/engines/kurrent/feed.ts'
import { createLedgerIndex } from './audit/engines/kurrent/ledger-index.ts'
import { findLedgerPlace } from './audit/engines/ledger-place.ts'
import { createPostgresEngine } from './audit/engines/postgres/engine.ts'
import type { Environment } from './kernel/config.ts'
import type { Logger } from './kernel/logging.ts'
import { createPool, endPool } from './kernel/postgres/pool.ts'
import { reachDatabase } from './kernel/postgres/reach-database.ts'
import { readSecretFiles } from './kernel/secret-files.ts'
import { StartError } from './kernel/start-error.ts'
import { onPool } from './projections/database.ts'
import { allProjections, type Lag } from './projections/index.ts'
import { measureLag } from './projections/lag.ts'
import { lockRegistry } from './projections/switch-over.ts'
import { beginRebuild, withReaders } from './projections/upkeep.ts'

export interface Begun {
  readonly projection: string
  readonly generation: number
}

export interface ReadModels {
  status(): Promise<Lag>
  /**
   * Begins to build these anew, and what reads them, as a replay does; a running service does the work. Those being built already are left out.
   * Throws StartError for an unknown name.
   */
  rebuild(names: readonly string[]): Promise<readonly Begun[]>
  /** Asks for parked entries to be tried again by a running service. Answers the read models that have any. */
  replay(): Promise<readonly string[]>
}

/** Over the feed's login of the server that the environment names. Throws StartError where none is named: an embedded database is its service's alone. */
export const withReadModels = async <Result>(
  environment: Environment,
  logger: Logger,
  work: (models: ReadModels) => Promise<Result>,
): Promise<Result> => {
  const { CHARTWARDEN_FEED_DATABASE_URL: feedUrl, DATABASE_URL: writerUrl } = readSecretFiles(environment)
  const url = feedUrl ?? writerUrl
  if (url === undefined || url === '') {
    throw new StartError('CHARTWARDEN_FEED_DATABASE_URL is required; an embedded database is looked after by its service alone.')
  }
  const pool = createPool({ url, applicationName: 'chartwarden-projections', logger, max: 2 })
  const feed = createPostgresEngine({ writer: pool, feed: pool })
  const db = onPool(pool)
  try {
    await reachDatabase(pool, feedUrl === undefined || feedUrl === '' ? 'DATABASE_URL' : 'CHARTWARDEN_FEED_DATABASE_URL')
    return await work({
      // The state is that of a runner, and there is none in this process.
      status: async () =>
        measureLag({
          db,
          feed: (await findLedgerPlace(pool)) === 'kurrent' ? createFeedEnd(createLedgerIndex({ writer: pool, feed: pool })) : feed,
          projections: allProjections,
          state: 'stopped',
        }),
      rebuild: async (names) => {
        const unknown = names.find((name) => allProjections.every((projection) => projection.name !== name))
        if (unknown !== undefined) {
          throw new StartError(`There is no read model "${unknown}"; there are ${allProjections.map(({ name }) => name).join(', ')}.`)
        }
        const affected = new Set(names.flatMap((name) => withReaders(name, allProjections)))
        return beginRebuild(
          db,
          allProjections.filter((projection) => affected.has(projection)),
        )
      },
      replay: async () => {
        const { rows } = await db.transaction().execute(async (transaction) => {
          await lockRegistry(transaction)
          return sql<{ projection: string }>`
            update chartwarden_projections.generations g set replay = true
            where state = 'live' and exists (
              select from chartwarden_projections.parked p where p.projection = g.projection and p.generation = g.generation)
            returning projection`.execute(transaction)
        })
        return rows.map(({ projection }) => projection)
      },
    })
  } finally {
    await feed.close()
    await endPool(pool)
  }
}
