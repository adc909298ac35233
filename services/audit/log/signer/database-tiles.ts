/** Tiles of a log straight from the database, for what an operator does while no service runs. They prove something only against a signed root. */
import type { Pool } from 'pg'
import type { Environment } from '../../../kernel/config.ts'
import type { Logger } from '../../../kernel/logging.ts'
import { createPool, endPool } from '../../../kernel/postgres/pool.ts'
import { reachDatabase } from '../../../kernel/postgres/reach-database.ts'
import { readSecretFiles } from '../../../kernel/secret-files.ts'
import { StartError } from '../../../kernel/start-error.ts'
import type { HashSource } from '../proofs.ts'

/** Tiles of one generation of a clinic's log. The pool is of the feed's login, or of a superuser. */
export const databaseTiles = (
  pool: Pool,
  { clinic, generation }: { readonly clinic: string; readonly generation: number },
): HashSource => ({
  tiles: async (ids) => {
    const { rows } = await pool.query<{ level: number; index: string; hashes: Buffer }>(
      `select u.level, u.index, string_agg(s.hashes, ''::bytea order by s.strip) as hashes
       from (select distinct * from unnest($3::smallint[], $4::bigint[])) as u (level, index)
       join chartwarden_log.strips s on s.clinic = $1 and s.generation = $2 and s.level = u.level
         and s.strip >= 8 * u.index and s.strip < 8 * u.index + 8
       group by u.level, u.index`,
      [clinic, generation, ids.map(({ level }) => level), ids.map(({ index }) => String(index))],
    )
    return rows.map(({ level, index, hashes }) => ({ level, index: BigInt(index), hashes }))
  },
})

/**
 * Works with the database that CHARTWARDEN_FEED_DATABASE_URL names, else DATABASE_URL. Throws StartError where none is named or it does not
 * answer.
 */
export const withFeedDatabase = async <Result>(
  environment: Environment,
  logger: Pick<Logger, 'warn'>,
  work: (pool: Pool) => Promise<Result>,
): Promise<Result> => {
  const read = readSecretFiles(environment)
  const names = ['CHARTWARDEN_FEED_DATABASE_URL', 'DATABASE_URL'] as const
  const name = names.find((each) => (read[each] ?? '') !== '')
  const url = name === undefined ? undefined : read[name]
  if (name === undefined || url === undefined) {
    throw new StartError(
      `The signer store holds an older head of this log, so that its tiles are needed: ${names.join(' or ')} is required.`,
    )
  }
  const pool = createPool({ url, applicationName: 'chartwarden-log-adopt', logger, max: 1 })
  try {
    await reachDatabase(pool, name)
    return await work(pool)
  } finally {
    await endPool(pool)
  }
}
