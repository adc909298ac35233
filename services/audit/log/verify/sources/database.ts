/**
 * Ledgers straight from their database, in one transaction that only reads and sees one moment. The rows are taken as they are: a login that
 * row security keeps from some of them would make them look like missing ones, so it is refused.
 */
import { type ClientBase, escapeLiteral, type Pool, type PoolClient, type QueryResultRow } from 'pg'
import { ChartwardenError } from '../../../../kernel/errors.ts'
import { type ArrayRow, copyArrays } from '../../../../kernel/postgres/copy-arrays.ts'
import { errorCode } from '../../../../kernel/postgres/error-code.ts'
import { StartError } from '../../../../kernel/start-error.ts'
import { formatVerifierKey, keyIdOf } from '../../note.ts'
import { signatureType } from '../../signature-type.ts'
import { tileWidth } from '../../tile.ts'
import { leafPrefix } from '../../tree-hash.ts'
import type { FoundEntry, LedgerPart } from '../found.ts'
import type { LedgerSource } from '../verify-ledger.ts'

/** Published checkpoints that are compared with, the newest of them. */
const mostCheckpoints = 256

/** Entries that are fetched at once: rows of a tile. */
const pageEntries = 8 * tileWidth

const insufficientPrivilege = '42501'

interface TileRow extends QueryResultRow {
  readonly level: number
  readonly index: string
  readonly hashes: Buffer
}

interface LogRow extends QueryResultRow {
  readonly generation: number
  readonly origin: string
}

export interface LedgerDatabase {
  /** Every clinic that anything is kept of, the operator's own ledger among them. */
  clinics(): Promise<readonly string[]>
  source(clinic: string): Promise<LedgerSource>
}

/** Rows of a tile each; the byte ahead of an entry is room for the prefix of its leaf. */
const entriesQuery = (clinic: string, from: bigint, to: bigint): string => `
  select array_agg(revision order by revision), array_agg('\\x00'::bytea || bytes order by revision), array_agg(id::text order by revision),
    array_agg(type order by revision), array_agg(state_changing order by revision), array_agg(request_digest order by revision)
  from chartwarden_ledger.entries where clinic = ${escapeLiteral(clinic)} and revision >= ${from} and revision < ${to}
  group by revision / ${tileWidth} order by revision / ${tileWidth}`

const nothing = Buffer.alloc(0)

const entriesOf = ([revisions = [], messages = [], ids = [], types = [], states = [], digests = []]: ArrayRow): readonly FoundEntry[] =>
  revisions.map((revision, at) => {
    const message = messages[at] ?? nothing
    // Whatever the server says it is.
    message[0] = leafPrefix
    const [id = '', type = ''] = [ids[at]?.toString('latin1'), types[at]?.toString('utf8')]
    const columns = { id, type, stateChanging: states[at]?.[0] === 1, requestDigest: digests[at] ?? nothing }
    return { revision: revision.readBigInt64BE(), message, columns }
  })

/** Public keys of a clinic's log as the vault keeps them, the newest first; none where the login is not shown them. */
const publicKeys = async (pool: Pick<ClientBase, 'query'>, clinic: string): Promise<readonly Buffer[]> => {
  try {
    const { rows } = await pool.query<{ public_key: Buffer }>('select public_key from chartwarden_vault.log_keys($1)', [clinic])
    return rows.map(({ public_key }) => public_key)
  } catch (thrown) {
    if (errorCode(thrown) === insufficientPrivilege) return []
    throw thrown
  }
}

/** As a transaction that `client` is in sees it. `keys`: shown the public keys of logs; may be the same. */
export const ledgerDatabase = (client: ClientBase, keys: Pick<ClientBase, 'query'>): LedgerDatabase => {
  const query = async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
    (await client.query<Row>(text, [...values])).rows

  const tilesOf = (clinic: string, generation: number, level: number, from: bigint, to: bigint): Promise<readonly TileRow[]> =>
    query<TileRow>(
      `select level, strip / 8 as index, string_agg(hashes, ''::bytea order by strip) as hashes from chartwarden_log.strips
       where clinic = $1 and generation = $2 and level = $3 and strip >= 8 * $4::bigint and strip < 8 * $5::bigint
       group by level, strip / 8 order by strip / 8`,
      [clinic, generation, level, from, to],
    )

  const partOf = ({ level, index, hashes }: TileRow): LedgerPart => ({ kind: 'tile', tile: { level, index: BigInt(index), hashes } })

  async function* read(clinic: string, log: LogRow | undefined): AsyncGenerator<LedgerPart> {
    const page = BigInt(pageEntries)
    const [ends] = await query<{ entries: string | null; tiles: string | null }>(
      `select (select max(revision) from chartwarden_ledger.entries where clinic = $1) as entries,
        (select max(strip) / 8 from chartwarden_log.strips where clinic = $1 and generation = $2 and level = 0) as tiles`,
      [clinic, log?.generation ?? 0],
    )
    const lastEntry = BigInt(ends?.entries ?? -1)
    const lastTile = BigInt(ends?.tiles ?? -1)
    for (let from = 0n; from <= lastEntry || from / BigInt(tileWidth) <= lastTile; from += page) {
      const rows = await copyArrays(client, entriesQuery(clinic, from, from + page))
      yield { kind: 'entries', entries: rows.flatMap(entriesOf) }
      const tile = from / BigInt(tileWidth)
      if (log === undefined || tile > lastTile) continue
      for (const row of await tilesOf(clinic, log.generation, 0, tile, tile + page / BigInt(tileWidth))) yield partOf(row)
    }
    if (log === undefined) return
    for (let level = 1; level < 8; level += 1) {
      for (let index = 0n; ; index += 64n) {
        const rows = await tilesOf(clinic, log.generation, level, index, index + 64n)
        yield* rows.map(partOf)
        if (rows.length === 0) break
      }
    }
  }

  const keysOf = async (clinic: string, origin: string): Promise<readonly string[]> => {
    const type = signatureType.ed25519
    const shown = await publicKeys(keys, clinic)
    return shown.map((publicKey) => formatVerifierKey({ name: origin, keyId: keyIdOf(origin, type, publicKey), type, publicKey }))
  }

  return {
    clinics: async () => {
      const rows = await query<{ clinic: string }>(
        `select clinic from chartwarden_ledger.heads union select clinic from chartwarden_log.logs order by clinic`,
      )
      return rows.map(({ clinic }) => clinic)
    },
    source: async (clinic) => {
      const [head] = await query<{ revision: string }>('select revision from chartwarden_ledger.heads where clinic = $1', [clinic])
      const [log] = await query<LogRow>('select generation, origin from chartwarden_log.logs where clinic = $1', [clinic])
      const entries = await query('select from chartwarden_ledger.entries where clinic = $1 limit 1', [clinic])
      if (head === undefined && log === undefined && entries.length === 0) {
        throw new ChartwardenError('INVALID_ARGUMENT', { message: `The database has no ledger of ${clinic}.` })
      }
      const checkpoints = await query<{ note: string; lines: readonly string[] }>(
        `select c.note, array_remove(array_agg(s.line order by s.witness), null) as lines from chartwarden_log.checkpoints c
         left join chartwarden_log.cosignatures s using (clinic, generation, size)
         where clinic = $1 and generation = $2 group by c.size, c.note order by c.size desc limit ${mostCheckpoints}`,
        [clinic, log?.generation ?? 0],
      )
      return {
        clinic,
        published: checkpoints.map(({ note, lines }) => `${note}${lines.map((line) => `${line}\n`).join('')}`),
        verifierKeys: log === undefined ? [] : await keysOf(clinic, log.origin),
        claimedSize: BigInt(head?.revision ?? -1) + 1n,
        hasColumns: true,
        read: () => read(clinic, log),
      }
    },
  }
}

/** Whether row security keeps rows from this login. Its policies are for roles, whose rights a login may have without being a superuser. */
const requireAllRows = async (client: PoolClient): Promise<void> => {
  const { rows } = await client.query<{ all: boolean }>(
    `select rolsuper or rolbypassrls or pg_has_role(current_user, 'chartwarden_feed', 'usage') as all from pg_roles where rolname = current_user`,
  )
  if (rows[0]?.all !== true) {
    throw new StartError('This login is not shown every row: use that of CHARTWARDEN_FEED_DATABASE_URL, or a superuser.')
  }
}

export interface LedgerDatabaseOptions {
  /** Of a login that is shown every ledger: the feed's, or a superuser. */
  readonly pool: Pool
  /** Of a login that may be shown the public keys of logs: the writer's, or a superuser. */
  readonly keys: Pool
}

/**
 * One transaction for all that `work` reads, one moment of it: as long as it lasts the database cannot clear away what others have replaced, so
 * it is one ledger's at most. Throws StartError for a login that is not shown everything.
 */
export const inLedgerDatabase = async <Result>(
  { pool, keys }: LedgerDatabaseOptions,
  work: (database: LedgerDatabase) => Promise<Result>,
): Promise<Result> => {
  const client = await pool.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    await requireAllRows(client)
    return await work(ledgerDatabase(client, keys))
  } finally {
    await client.query('rollback').catch(() => undefined)
    client.release()
  }
}
