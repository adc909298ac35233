import { type Kysely, sql } from 'kysely'
import type { LedgerFeed, Position } from '../audit/ledger.ts'
import type { ProjectionDatabase } from './database.ts'
import type { Projection } from './projection.ts'
import type { RunnerState } from './runner.ts'

/** How far a generation that is being built has come. */
export interface BuildingProgress {
  readonly generation: number
  readonly version: number
  /** Entries of the ledgers taken so far, and those there are now. */
  readonly applied: bigint
  readonly total: bigint
  readonly entriesPerSecond: number
  /** Undefined while the rate is not known yet. */
  readonly secondsLeft: number | undefined
}

/** How far one read model is behind. */
export interface ProjectionLag {
  readonly name: string
  /** Of the rows that reports are answered from; of the rows being built while there are none. */
  readonly version: number
  /** `absent`: its definition is not published in this database. */
  readonly state: 'live' | 'building' | 'absent'
  /** Entries of all ledgers not yet in it. */
  readonly entries: bigint
  /** Age of the last entry applied while there are others behind it, by the clock given; 0 when there are none. */
  readonly seconds: number
  /** Entries it could not take and that wait for a replay. */
  readonly parked: bigint
  /** Being built beside the live rows, or in place of none. */
  readonly building?: BuildingProgress
}

/** How far the read models are behind. */
export interface Lag {
  /** Of the read model that is furthest behind among the live ones; of those being built while none is live. */
  readonly entries: bigint
  readonly seconds: number
  /** Entries that some read model could not take; one that several could not take counts once. */
  readonly parked: bigint
  /** Of this process's runner. */
  readonly state: RunnerState
  readonly projections: readonly ProjectionLag[]
}

export interface LagOptions {
  readonly db: Kysely<ProjectionDatabase>
  readonly feed: Pick<LedgerFeed, 'end' | 'distance'>
  readonly projections: readonly Projection[]
  readonly state: RunnerState
}

interface LagRow {
  readonly projection: string
  readonly generation: number
  readonly version: number
  readonly state: 'building' | 'live'
  readonly position: Position | null
  readonly age: number | null
  readonly entries_per_second: number
  readonly parked: string
}

/** Of its own release: what replicas of another one keep up is theirs to tell. */
export const measureLag = async ({ db, feed, projections, state }: LagOptions): Promise<Lag> => {
  const { rows } = await sql<LagRow>`
    select g.projection, g.generation, g.version, g.state, l.position, l.entries_per_second,
      extract(epoch from clock_timestamp() - l.recorded_at)::float8 as age,
      (select count(*) from chartwarden_projections.parked p where p.projection = g.projection and p.generation = g.generation) as parked
    from chartwarden_projections.generations g join chartwarden_projections.lanes l using (lane)
    where g.state in ('building', 'live')`.execute(db)
  const { rows: parkedRows } = await sql<{ parked: string }>`
    select count(distinct (p.clinic, p.revision)) as parked from chartwarden_projections.parked p
    join chartwarden_projections.generations g using (projection, generation)
    where g.state in ('building', 'live')`.execute(db)
  const end = await feed.end()
  const total = feed.distance(undefined, end)

  const one = ({ name, version, readable = [] }: Projection): ProjectionLag => {
    const own = rows.filter((row) => row.projection === name && [version, ...readable].includes(row.version))
    const live = own.filter((row) => row.state === 'live').sort((a, b) => b.version - a.version)[0]
    const built = own.find((row) => row.state === 'building' && row.version === version)
    const shown = live ?? built
    if (shown === undefined) return { name, version, state: 'absent', entries: total, seconds: 0, parked: 0n }
    const position = shown.position ?? undefined
    const entries = feed.distance(position, end)
    const applied = feed.distance(undefined, built?.position ?? undefined)
    const perSecond = built?.entries_per_second ?? 0
    return {
      name,
      version: shown.version,
      state: shown.state,
      entries,
      seconds: entries > 0n ? Math.max(0, shown.age ?? 0) : 0,
      parked: BigInt(shown.parked),
      ...(built === undefined
        ? {}
        : {
            building: {
              generation: built.generation,
              version: built.version,
              applied,
              total,
              entriesPerSecond: perSecond,
              secondsLeft: perSecond > 0 ? Math.ceil(Number(total - applied) / perSecond) : undefined,
            },
          }),
    }
  }
  const each = projections.map(one)
  const live = each.filter((lag) => lag.state === 'live')
  const behind = live.length > 0 ? live : each
  return {
    entries: behind.map((lag) => lag.entries).sort((a, b) => Number(b - a))[0] ?? 0n,
    seconds: Math.max(0, ...behind.map(({ seconds }) => seconds)),
    parked: BigInt(parkedRows[0]?.parked ?? 0),
    state,
    projections: each,
  }
}
