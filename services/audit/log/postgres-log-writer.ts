/**
 * Tiles and checkpoints as the sealer writes them. Every transaction begins with the sealer's row, under its lock and with the epoch
 * compared: of two sealers that both believe to be the only one, one goes after the other and finds out.
 */
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Position } from '../ledger.ts'
import type { Connection, Lend } from './lend.ts'
import type { HaltCause, Integration, KeptLog, LogWriter, NewCheckpoint, StoredCosignature } from './log-store.ts'
import { notices, publicationChannel } from './publication-notice.ts'
import { stripsFrom } from './strip.ts'
import { hashesAt, type Tile, tileLevels, widthIn } from './tile.ts'

interface LogRow {
  readonly clinic: string
  readonly generation: number
  readonly origin: string
  readonly size: string
  readonly halted: HaltCause | null
  readonly published_size: string | null
  readonly published_root: Buffer | null
}

interface TileRow {
  readonly clinic: string
  readonly level: number
  readonly index: string
  readonly hashes: Buffer
}

const logColumns = `select l.clinic, l.generation, l.origin, l.size, l.halted, c.size as published_size, c.root as published_root
  from chartwarden_log.logs l
  left join lateral (
    select c.size, c.root from chartwarden_log.checkpoints c where c.clinic = l.clinic and c.generation = l.generation order by c.size desc limit 1
  ) c on true`

const tilesOf = `select u.clinic, u.level, u.index, string_agg(s.hashes, ''::bytea order by s.strip) as hashes
  from (select distinct * from unnest($1::text[], $2::smallint[], $3::bigint[])) as u (clinic, level, index)
  join chartwarden_log.logs l on l.clinic = u.clinic
  join chartwarden_log.strips s on s.clinic = l.clinic and s.generation = l.generation and s.level = u.level
    and s.strip >= 8 * u.index and s.strip < 8 * u.index + 8
  group by u.clinic, u.level, u.index order by u.clinic, u.level, u.index`

const keptLog = (row: LogRow): KeptLog => ({
  clinic: row.clinic,
  generation: row.generation,
  origin: row.origin,
  size: BigInt(row.size),
  halted: row.halted ?? undefined,
  ...(row.published_size === null ? {} : { published: { size: BigInt(row.published_size), root: row.published_root as Buffer } }),
})

const tileOf = ({ level, index, hashes }: TileRow): Tile => ({ level, index: BigInt(index), hashes })

class Superseded extends Error {}

/** Throws unless this epoch is the one that writes. */
const lockSealer = async (connection: Connection, epoch: bigint): Promise<void> => {
  const { rowCount } = await connection.query('select from chartwarden_log.sealer where epoch = $1 for update', [epoch])
  if (rowCount !== 1) throw new Superseded()
}

const insertStrips = async (connection: Connection, integrations: readonly Integration[]): Promise<void> => {
  const rows = integrations.flatMap(({ clinic, from, tiles }) =>
    tiles.flatMap((tile) => stripsFrom(tile, from).map((strip) => ({ clinic, ...strip }))),
  )
  if (rows.length === 0) return
  let end = 0
  const bounds = [0, ...rows.map(({ hashes }) => (end += hashes.length))]
  // One blob and where each strip begins: an array of byte strings would travel as text.
  await connection.query({
    name: 'chartwarden_log_strips',
    text: `insert into chartwarden_log.strips as s (clinic, generation, level, strip, hashes)
      select u.clinic, l.generation, u.level, u.strip, substr($6::bytea, u.first + 1, u.last - u.first)
      from unnest($1::text[], $2::smallint[], $3::bigint[], $4::int[], $5::int[]) as u (clinic, level, strip, first, last)
      join chartwarden_log.logs l on l.clinic = u.clinic
      on conflict (clinic, generation, level, strip) do update set hashes = excluded.hashes
        where octet_length(s.hashes) < octet_length(excluded.hashes)`,
    values: [
      rows.map(({ clinic }) => clinic),
      rows.map(({ level }) => level),
      rows.map(({ strip }) => String(strip)),
      bounds.slice(0, -1),
      bounds.slice(1),
      Buffer.concat(rows.map(({ hashes }) => hashes)),
    ],
  })
}

const growLogs = async (connection: Connection, integrations: readonly Integration[]): Promise<void> => {
  const { rowCount } = await connection.query({
    name: 'chartwarden_log_grow',
    text: `update chartwarden_log.logs l set size = u.grown
      from unnest($1::text[], $2::bigint[], $3::bigint[]) as u (clinic, was, grown) where l.clinic = u.clinic and l.size = u.was`,
    values: [
      integrations.map(({ clinic }) => clinic),
      integrations.map(({ from }) => String(from)),
      integrations.map(({ to }) => String(to)),
    ],
  })
  if (rowCount !== integrations.length)
    throw new ChartwardenError('INTERNAL', { cause: new Error('a tree is not of the size that it was to grow from') })
}

const insertCheckpoints = async (connection: Connection, checkpoints: readonly NewCheckpoint[]): Promise<number> => {
  const { rows } = await connection.query<{ now: string }>(
    `with written as (
      insert into chartwarden_log.checkpoints (clinic, generation, size, root, note)
      select u.clinic, l.generation, u.size, decode(u.root, 'hex'), u.note
      from unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) as u (clinic, size, root, note)
      join chartwarden_log.logs l on l.clinic = u.clinic
      on conflict (clinic, generation, size) do nothing
    )
    select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now, pg_notify('chartwarden_log', n.notice)
    from unnest($5::text[]) as n (notice)`,
    [
      checkpoints.map(({ clinic }) => clinic),
      checkpoints.map(({ size }) => String(size)),
      checkpoints.map(({ root }) => root.toString('hex')),
      checkpoints.map(({ note }) => note),
      notices(checkpoints.map(({ clinic }) => clinic)),
    ],
  )
  return Number(rows[0]?.now)
}

/** The newest stays, and so does what came so lately that a witness may still be at it. */
const dropUnneeded = `
  delete from chartwarden_log.checkpoints c using chartwarden_log.logs l
  where l.clinic = any ($1) and c.clinic = l.clinic and c.generation = l.generation
    and c.published_at < clock_timestamp() - interval '1 minute'
    and exists (
      select from chartwarden_log.checkpoints n
      where n.clinic = c.clinic and n.generation = c.generation and n.size > c.size and not exists (
        select from chartwarden_log.cosignatures s
        where s.clinic = c.clinic and s.generation = c.generation and s.size = c.size and not exists (
          select from chartwarden_log.cosignatures m
          where m.clinic = n.clinic and m.generation = n.generation and m.size = n.size and m.witness = s.witness)))`

/** Partial tiles of a tree. */
const edgeIds = (size: bigint): readonly { readonly level: number; readonly index: bigint }[] =>
  Array.from({ length: tileLevels }, (_, level) => ({ level, index: hashesAt(size, level + 1) })).filter((id) => widthIn(size, id) > 0)

export interface PostgresLogWriterOptions {
  /** Of the feed role. */
  readonly lend: Lend
}

/** Faults of the database are thrown as they are: the sealer begins again. */
export const createPostgresLogWriter = ({ lend }: PostgresLogWriterOptions): LogWriter => {
  const fenced = <Result>(epoch: bigint, work: (connection: Connection) => Promise<Result>): Promise<Result | undefined> =>
    lend(async (connection) => {
      await connection.query('begin')
      try {
        await lockSealer(connection, epoch)
        const result = await work(connection)
        await connection.query('commit')
        return result
      } catch (thrown) {
        await connection.query('rollback').catch(() => {})
        if (thrown instanceof Superseded) return undefined
        throw thrown
      }
    })

  const tiles = (clinics: readonly string[], ids: readonly { readonly level: number; readonly index: bigint }[]) =>
    lend((connection) =>
      connection.query<TileRow>(tilesOf, [clinics, ids.map(({ level }) => level), ids.map(({ index }) => String(index))]),
    )

  const logs: LogWriter['logs'] = (wanted) =>
    lend(async (connection) => {
      const clinics = wanted.map(({ clinic }) => clinic)
      await connection.query(
        `insert into chartwarden_log.logs (clinic, origin, generation) select * from unnest($1::text[], $2::text[], $3::int[])
         on conflict (clinic) do nothing`,
        [clinics, wanted.map(({ origin }) => origin), wanted.map(({ generation }) => generation)],
      )
      const { rows } = await connection.query<LogRow>(`${logColumns} where l.clinic = any ($1)`, [clinics])
      return new Map(rows.map((row) => [row.clinic, keptLog(row)]))
    })

  return {
    logs,
    begin: (epoch) =>
      lend(async (connection) => {
        const { rows } = await connection.query<{ position: Position | null; before: string }>(
          `with old as (select epoch from chartwarden_log.sealer for update)
           update chartwarden_log.sealer s set epoch = $1 from old returning s.position, old.epoch as before`,
          [epoch],
        )
        return { position: rows[0]?.position ?? undefined, before: BigInt(rows[0]?.before ?? 0) }
      }),
    page: (after, limit) =>
      lend(async (connection) => {
        const { rows } = await connection.query<LogRow>(`${logColumns} where l.clinic > $1 order by l.clinic limit $2`, [after, limit])
        return rows.map(keptLog)
      }),
    edges: async (clinics) => {
      const known = await lend((connection) =>
        connection.query<{ clinic: string; size: string }>('select clinic, size from chartwarden_log.logs where clinic = any ($1)', [
          clinics,
        ]),
      )
      const ids = known.rows.flatMap(({ clinic, size }) => edgeIds(BigInt(size)).map((id) => ({ clinic, ...id })))
      const { rows } = await tiles(
        ids.map(({ clinic }) => clinic),
        ids,
      )
      const found = Map.groupBy(rows, ({ clinic }) => clinic)
      return new Map(clinics.map((clinic) => [clinic, (found.get(clinic) ?? []).map(tileOf)]))
    },
    tiles: async (clinic, ids) => {
      const { rows } = await tiles(
        ids.map(() => clinic),
        ids,
      )
      return rows.map(tileOf)
    },
    integrate: async (epoch, integrations, position) => {
      const done = await fenced(epoch, async (connection) => {
        await insertStrips(connection, integrations)
        await growLogs(connection, integrations)
        if (position !== undefined) await connection.query('update chartwarden_log.sealer set position = $1', [position])
        return true
      })
      return done === true
    },
    publish: (epoch, checkpoints) => fenced(epoch, (connection) => insertCheckpoints(connection, checkpoints)),
    tidy: async (clinics) => {
      await lend((connection) => connection.query(dropUnneeded, [clinics]))
    },
    halt: async (epoch, clinic, cause) => {
      const done = await fenced(epoch, async (connection) => {
        await connection.query('update chartwarden_log.logs set halted = $2 where clinic = $1', [clinic, cause ?? null])
        await connection.query(`select pg_notify('${publicationChannel}', $1)`, [clinic])
        return true
      })
      return done === true
    },
    restart: async (epoch, { clinic, origin, generation }) => {
      const done = await fenced(epoch, async (connection) => {
        await connection.query(
          'update chartwarden_log.logs set generation = $2, origin = $3, size = 0, halted = null where clinic = $1 and generation < $2',
          [clinic, generation, origin],
        )
        return true
      })
      return done === true ? (await logs([{ clinic, origin, generation }])).get(clinic) : undefined
    },
    addCosignatures: async (cosignatures: readonly StoredCosignature[]) => {
      await lend((connection) =>
        connection.query(
          `insert into chartwarden_log.cosignatures (clinic, generation, size, witness, line)
           select u.clinic, c.generation, u.size, u.witness, u.line
           from unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) as u (clinic, size, witness, line)
           join chartwarden_log.logs l on l.clinic = u.clinic
           join chartwarden_log.checkpoints c on c.clinic = l.clinic and c.generation = l.generation and c.size = u.size
           on conflict (clinic, generation, size, witness) do update set line = excluded.line, added_at = excluded.added_at`,
          [
            cosignatures.map(({ clinic }) => clinic),
            cosignatures.map(({ size }) => String(size)),
            cosignatures.map(({ witness }) => witness),
            cosignatures.map(({ line }) => line),
          ],
        ),
      )
    },
  }
}
