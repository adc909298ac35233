/**
 * The backup's source over PostgreSQL. Entries never change and are committed in order of position, so that only the end of the ledger has to
 * be seen in one moment; everything behind that is read page by page, and no transaction stays open while a backup is written.
 */
import type { Pool, PoolClient, QueryResultRow } from 'pg'
import { ChartwardenError } from '../../kernel/errors.ts'
import { lendConnection } from '../../kernel/postgres/lend-connection.ts'
import { type EntryRow, entries, gap, storedEntry, unavailable } from '../engines/postgres/entry-rows.ts'
import type { EntryRecord, KeyRecord, LogRecord } from './backup-format.ts'
import type { BackupSource } from './backup-source.ts'

export interface PostgresBackupSourceOptions {
  /** Of the feed's role, which is shown every ledger and log. */
  readonly feed: Pool
  /** Of the writer's role, which is shown the keys of one clinic at a time. */
  readonly writer: Pool
  /** Entries fetched at once. Defaults to 500. */
  readonly pageEntries?: number
  /** Keys fetched at once. Defaults to 1,000. */
  readonly pageKeys?: number
}

type Client = Pick<PoolClient, 'query'>

/** A point in time to the microsecond, whatever the time zone of the session. */
const time = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

interface SealerRow extends QueryResultRow {
  readonly installation: string
  readonly epoch: string
  readonly handed_out_at: string | null
}

interface LogRow extends QueryResultRow {
  readonly clinic: string
  readonly generation: number
  readonly origin: string
  readonly size: string
  readonly halted: string | null
}

interface CheckpointRow extends QueryResultRow {
  readonly clinic: string
  readonly generation: number
  readonly size: string
  readonly root: Buffer
  readonly note: string
  readonly published_at: string
}

interface CosignatureRow extends QueryResultRow {
  readonly clinic: string
  readonly generation: number
  readonly size: string
  readonly witness: string
  readonly line: string
  readonly added_at: string
}

const rowsOf = async <Row extends QueryResultRow>(client: Client, text: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
  (await client.query<Row>(text, [...values])).rows

const readLogs = async (client: Client, sealer: SealerRow): Promise<readonly LogRecord[]> => {
  const logs = await rowsOf<LogRow>(client, 'select clinic, generation, origin, size, halted from chartwarden_log.logs order by clinic')
  const checkpoints = await rowsOf<CheckpointRow>(
    client,
    `select clinic, generation, size, root, note, ${time('published_at')} as published_at
     from chartwarden_log.checkpoints order by clinic, generation, size`,
  )
  const cosignatures = await rowsOf<CosignatureRow>(
    client,
    `select clinic, generation, size, witness, line, ${time('added_at')} as added_at
     from chartwarden_log.cosignatures order by clinic, generation, size, witness`,
  )
  return [
    { kind: 'sealer', installation: sealer.installation, epoch: BigInt(sealer.epoch), handedOutAt: sealer.handed_out_at ?? undefined },
    ...logs.map(({ size, halted, ...log }): LogRecord => ({ kind: 'log', ...log, size: BigInt(size), halted: halted ?? undefined })),
    ...checkpoints.map(
      ({ size, published_at, ...checkpoint }): LogRecord => ({
        kind: 'checkpoint',
        ...checkpoint,
        size: BigInt(size),
        publishedAt: published_at,
      }),
    ),
    ...cosignatures.map(
      ({ size, added_at, ...cosignature }): LogRecord => ({ kind: 'cosignature', ...cosignature, size: BigInt(size), addedAt: added_at }),
    ),
  ]
}

const clinicKeysQuery = `select pseudonym_key, digest_key, ${time('created_at')} as created_at
  from chartwarden_vault.clinic_keys where clinic = $1`
/** By age, so that the keys of newcomers come last and what stands before them stays as it is. */
const identityKeysQuery = `declare identity_keys no scroll cursor for
  select pseudonym, wrapped_key, commitment, ${time('created_at')} as created_at, ${time('destroyed_at')} as destroyed_at
  from chartwarden_vault.identity_keys where clinic = $1 order by identity_keys.created_at, pseudonym`
const logKeysQuery = `select id, wrapped_key, public_key, ${time('created_at')} as created_at
  from chartwarden_vault.log_keys where clinic = $1 order by id`
const activationsQuery = `select id, ordinal, ${time('retire_others_at')} as retire_others_at
  from chartwarden_vault.log_key_activations where clinic = $1 order by ordinal`

interface ClinicKeyRow extends QueryResultRow {
  readonly pseudonym_key: Buffer
  readonly digest_key: Buffer
  readonly created_at: string
}

interface IdentityKeyRow extends QueryResultRow {
  readonly pseudonym: string
  readonly wrapped_key: Buffer | null
  readonly commitment: string
  readonly created_at: string
  readonly destroyed_at: string | null
}

interface LogKeyRow extends QueryResultRow {
  readonly id: string
  readonly wrapped_key: Buffer
  readonly public_key: Buffer
  readonly created_at: string
}

interface ActivationRow extends QueryResultRow {
  readonly id: string
  readonly ordinal: string
  readonly retire_others_at: string | null
}

async function* readKeys(client: Client, clinic: string, pageKeys: number): AsyncGenerator<readonly KeyRecord[]> {
  yield (await rowsOf<ClinicKeyRow>(client, clinicKeysQuery, [clinic])).map((row) => ({
    kind: 'clinic_keys',
    clinic,
    pseudonymKey: row.pseudonym_key,
    digestKey: row.digest_key,
    createdAt: row.created_at,
  }))
  await client.query(identityKeysQuery, [clinic])
  while (true) {
    const page = await rowsOf<IdentityKeyRow>(client, `fetch ${pageKeys} from identity_keys`)
    if (page.length === 0) break
    yield page.map((row) => ({
      kind: 'identity_key',
      clinic,
      pseudonym: row.pseudonym,
      wrappedKey: row.wrapped_key ?? undefined,
      commitment: row.commitment,
      createdAt: row.created_at,
      destroyedAt: row.destroyed_at ?? undefined,
    }))
  }
  yield (await rowsOf<LogKeyRow>(client, logKeysQuery, [clinic])).map((row) => ({
    kind: 'log_key',
    clinic,
    id: row.id,
    wrappedKey: row.wrapped_key,
    publicKey: row.public_key,
    createdAt: row.created_at,
  }))
  yield (await rowsOf<ActivationRow>(client, activationsQuery, [clinic])).map((row) => ({
    kind: 'log_key_activation',
    clinic,
    id: row.id,
    ordinal: BigInt(row.ordinal),
    retireOthersAt: row.retire_others_at ?? undefined,
  }))
}

const faults = (cause: unknown): ChartwardenError => (cause instanceof ChartwardenError ? cause : unavailable(cause))

export const createPostgresBackupSource = (options: PostgresBackupSourceOptions): BackupSource => {
  const { feed, writer, pageEntries = 500, pageKeys = 1_000 } = options

  /** One transaction that only reads and sees one moment. */
  const inMoment = async <Result>(pool: Pool, work: (client: Client) => Promise<Result>): Promise<Result> => {
    try {
      return await lendConnection(pool, undefined, async (client) => {
        await client.query('begin isolation level repeatable read read only')
        const result = await work(client)
        await client.query('commit')
        return result
      })
    } catch (cause) {
      throw faults(cause)
    }
  }

  return {
    moment: () =>
      inMoment(feed, async (client) => {
        const [end] = await rowsOf<{ position: string; at: string }>(
          client,
          `select position, floor(extract(epoch from clock_timestamp()) * 1000)::bigint as at
           from chartwarden_ledger.log_head where log_id = 1`,
        )
        const [sealer] = await rowsOf<SealerRow>(
          client,
          `select installation, epoch, ${time('handed_out_at')} as handed_out_at from chartwarden_log.sealer`,
        )
        if (end === undefined || sealer === undefined)
          throw new ChartwardenError('INTERNAL', { cause: new Error('the schema has lost a row') })
        const heads = await rowsOf<{ clinic: string; revision: string; state_revision: string }>(
          client,
          'select clinic, revision, state_revision from chartwarden_ledger.heads order by clinic',
        )
        return {
          installation: sealer.installation,
          at: Number(end.at),
          position: BigInt(end.position),
          heads: heads.map(({ clinic, revision, state_revision }) => ({
            clinic,
            size: BigInt(revision) + 1n,
            stateRevision: BigInt(state_revision),
          })),
          logs: await readLogs(client, sealer),
        }
      }),
    async *entries(from, to) {
      for (let last = from; last < to; ) {
        const values = [last, to, pageEntries]
        const { rows } = await feed
          .query<EntryRow>(`${entries} where log_id = 1 and position > $1 and position <= $2 order by position limit $3`, values)
          .catch((cause: unknown) => {
            throw faults(cause)
          })
        const page: EntryRecord[] = []
        for (const row of rows) {
          last += 1n
          if (BigInt(row.position) !== last) throw gap('position', last, BigInt(row.position))
          const { requestDigest: _digest, bytes: _bytes, ...entry } = storedEntry(row)
          page.push({ ...entry, position: last, requestDigest: row.request_digest, bytes: row.bytes })
        }
        if (page.length === 0) throw gap('position', last + 1n, undefined)
        yield page
      }
    },
    async *keys(clinic) {
      // A clinic may have more keys than there is memory for: they are handed on while the transaction is open.
      let client: PoolClient | undefined
      let whole = false
      try {
        client = await writer.connect()
        await client.query('begin isolation level repeatable read read only')
        await client.query("select set_config('chartwarden.clinic', $1, true)", [clinic])
        yield* readKeys(client, clinic, pageKeys)
        await client.query('commit')
        whole = true
      } catch (cause) {
        throw faults(cause)
      } finally {
        client?.release(!whole)
      }
    },
  }
}
