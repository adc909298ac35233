/**
 * Which generations of which projections there are, and what moves together. Everything here is read from rows of one snapshot, so that a
 * switch shows either as it was before or as it is after.
 */
import type { Kysely } from 'kysely'
import type { LedgerFeed, Position } from '../audit/ledger.ts'
import type { ProjectionDatabase } from './database.ts'
import type { Projection } from './projection.ts'

/** A generation that is kept up to date or being built. */
export interface RegistryRow {
  readonly projection: string
  readonly generation: number
  readonly version: number
  readonly schema: string
  readonly state: 'building' | 'live'
  readonly indexed: boolean
  readonly replay: boolean
  readonly lane: string
  readonly position: Position | undefined
  readonly epoch: string
}

export const readRegistry = async (db: Kysely<ProjectionDatabase>): Promise<readonly RegistryRow[]> => {
  const rows = await db
    .selectFrom('chartwarden_projections.generations as g')
    .innerJoin('chartwarden_projections.lanes as l', 'l.lane', 'g.lane')
    .select([
      'g.projection',
      'g.generation',
      'g.version',
      'g.schema_name',
      'g.state',
      'g.indexed',
      'g.replay',
      'l.lane',
      'l.position',
      'l.epoch',
    ])
    .where('g.state', 'in', ['building', 'live'])
    .orderBy('l.lane')
    .execute()
  return rows.map(({ schema_name, position, ...row }) => ({
    ...row,
    schema: schema_name,
    position: (position ?? undefined) as Position | undefined,
  })) as readonly RegistryRow[]
}

/** A projection of this programme and the tables it writes. */
export interface Member {
  readonly projection: Projection
  readonly row: RegistryRow
}

/** What the worker of a lane does as long as the lane's epoch stays. */
export interface LanePlan {
  readonly lane: string
  readonly epoch: string
  readonly position: Position | undefined
  /** In the order in which a batch is applied. */
  readonly members: readonly Member[]
  /** Members of versions that this programme does not have. */
  readonly strangers: number
  /** Whether none of the members answers reports yet. */
  readonly building: boolean
  /** Tables of the members and, behind them, of what they read from other lanes. */
  readonly searchPath: string
  /** Where what the members read from other lanes stands; `absent` while that is nowhere to be read. No entry after it may be applied. */
  readonly limits: readonly (Position | undefined)[] | 'absent'
  /** The lane to move into once at the same place. */
  readonly target: { readonly lane: string; readonly epoch: string } | undefined
}

/** `pg_temp` is named, and last: unlisted it would be searched first. */
const searchPathOf = (schemas: readonly string[]): string => [...schemas.map((schema) => `"${schema}"`), 'pg_temp'].join(', ')

const isOf = (row: RegistryRow, { name, version }: Projection): boolean => row.projection === name && row.version === version

/** Undefined for a lane that is gone or holds nothing this programme can work. */
export const planOf = (rows: readonly RegistryRow[], projections: readonly Projection[], lane: string): LanePlan | undefined => {
  const inLane = rows.filter((row) => row.lane === lane)
  const [first] = inLane
  const members = projections.flatMap((projection) => inLane.filter((row) => isOf(row, projection)).map((row) => ({ projection, row })))
  if (first === undefined || members.length === 0) return undefined
  const names = new Set(members.map(({ projection }) => projection.name))
  const outside = [...new Set(members.flatMap(({ projection }) => projection.reads ?? []))]
    .filter((name) => !names.has(name))
    .map((name) => rows.find((row) => row.state === 'live' && projections.some((other) => other.name === name && isOf(row, other))))
  const read = outside.filter((row) => row !== undefined)
  const building = members.every(({ row }) => row.state === 'building')
  const isTarget = (other: string): boolean => {
    const there = rows.filter((row) => row.lane === other)
    return (
      other !== lane &&
      (building || BigInt(other) < BigInt(lane)) &&
      there.some((row) => row.state === 'live') &&
      there.every((row) => projections.some((projection) => isOf(row, projection)))
    )
  }
  return {
    lane,
    epoch: first.epoch,
    position: first.position,
    members,
    strangers: inLane.length - members.length,
    building,
    searchPath: searchPathOf([...members.map(({ row }) => row.schema), ...read.map((row) => row.schema)]),
    limits: read.length < outside.length ? 'absent' : read.map((row) => row.position),
    target: rows.find((row) => isTarget(row.lane)),
  }
}

/** The earliest of the places that bound a lane; `none` when nothing does. */
export const limitOf = (feed: Pick<LedgerFeed, 'distance'>, limits: readonly (Position | undefined)[]): Position | undefined | 'none' => {
  const [first, ...others] = limits
  if (limits.length === 0) return 'none'
  return others.reduce((least, limit) => (feed.distance(least, limit) < 0n ? limit : least), first)
}
