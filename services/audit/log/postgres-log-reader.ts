import type { Pool, QueryResultRow } from 'pg'
import { type ClinicGate, createClinicGate } from '../../kernel/clinic-gate.ts'
import { type Clock, systemClock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { createSharedLooks } from '../../kernel/shared-looks.ts'
import { unavailable } from '../engines/postgres/entry-rows.ts'
import type { HaltCause, LogReader, PublishedCheckpoint, StoredCosignature } from './log-store.ts'
import type { Publications } from './publications.ts'

export interface PostgresLogReaderOptions {
  /** Connects as a member of `chartwarden_query`, to which row security shows one clinic at a time. */
  readonly pool: Pool
  readonly publications: Publications
  /** Shared with whatever else reads through the pool. Defaults to one of its own. */
  readonly gate?: ClinicGate
  /** Defaults to the system's. */
  readonly clock?: Clock
}

interface CheckpointRow extends QueryResultRow {
  readonly size: string
  readonly root: Buffer
  readonly note: string
  readonly published_at: Date
  readonly witness: string | null
  readonly line: string | null
}

type Cosigned = { readonly checkpoint: PublishedCheckpoint; readonly cosignatures: readonly StoredCosignature[] }

/** Rows of one checkpoint after the other, in their order. */
const checkpointsOf = (clinic: string, rows: readonly CheckpointRow[]): readonly Cosigned[] =>
  [...Map.groupBy(rows, ({ size }) => size).values()].map((group) => {
    const { size, root, note, published_at } = group[0] as CheckpointRow
    return {
      checkpoint: { size: BigInt(size), root, note, publishedAt: published_at.getTime() },
      cosignatures: group.flatMap(({ witness, line }) =>
        witness === null || line === null ? [] : [{ clinic, size: BigInt(size), witness, line }],
      ),
    }
  })

/** A reader of logs, one clinic at a time through row security. Faults of the database are LEDGER_UNAVAILABLE with their cause. */
export const createPostgresLogReader = (options: PostgresLogReaderOptions): LogReader => {
  const { pool, publications, clock = systemClock, gate = createClinicGate({ clock }) } = options

  const query = <Row extends QueryResultRow>(clinic: string, text: string, values: unknown[]): Promise<Row[]> =>
    gate.run(clinic, 'light', { deadline: Number.POSITIVE_INFINITY }, async () => {
      try {
        return (await pool.query<Row>(text, values)).rows
      } catch (cause) {
        throw cause instanceof ChartwardenError ? cause : unavailable(cause)
      }
    })

  const checkpoints = async (clinic: string, onlyCosigned: boolean): Promise<readonly Cosigned[]> =>
    checkpointsOf(
      clinic,
      await query<CheckpointRow>(clinic, 'select * from chartwarden_log.checkpoints_of($1, $2)', [clinic, onlyCosigned]),
    )

  /** Many may wait for one clinic's next checkpoint. */
  const standing = createSharedLooks(async (clinic) => {
    const [row] = await query<{ size: string | null; halted: boolean }>(
      clinic,
      `select (select max(c.size) from chartwarden_log.checkpoints_of($1, false) c) as size, l.halted is not null as halted
       from chartwarden_log.log_of($1) l`,
      [clinic],
    )
    return { size: BigInt(row?.size ?? 0), halted: row?.halted ?? false }
  })

  return {
    log: async (clinic) => {
      const [row] = await query<{ generation: number; origin: string; size: string; halted: HaltCause | null }>(
        clinic,
        'select generation, origin, size, halted from chartwarden_log.log_of($1)',
        [clinic],
      )
      return row && { clinic, origin: row.origin, generation: row.generation, size: BigInt(row.size), halted: row.halted ?? undefined }
    },
    tiles: async (clinic, ids, generation) => {
      if (ids.length === 0) return []
      const rows = await query<{ generation: number; level: number; index: string; hashes: Buffer }>(
        clinic,
        'select generation, level, index, hashes from chartwarden_log.tiles_of($1, $2::smallint[], $3::bigint[])',
        [clinic, ids.map(({ level }) => level), ids.map(({ index }) => String(index))],
      )
      const wanted = generation === undefined ? rows : rows.filter((row) => row.generation === generation)
      return wanted.map(({ level, index, hashes }) => ({ level, index: BigInt(index), hashes }))
    },
    checkpoint: async (clinic) => (await checkpoints(clinic, false))[0],
    cosigned: (clinic) => checkpoints(clinic, true),
    published: async (clinic, size, signal) => {
      const found = await publications.until(
        clinic,
        () => standing(clinic),
        (now) => now.size > size || now.halted,
        signal,
      )
      return found.size
    },
  }
}
