/** Keeps the registry in order: what this release needs is begun, what nobody uses any more goes. */
import { type Kysely, sql } from 'kysely'
import { isKnownType } from '../access/event-codec.ts'
import { errorCode } from '../kernel/postgres/error-code.ts'
import type { ProjectionDatabase, ProjectionTransaction } from './database.ts'
import type { Projection } from './projection.ts'
import { lockRegistry } from './switch-over.ts'

export interface UpkeepOptions {
  readonly db: Kysely<ProjectionDatabase>
  readonly projections: readonly Projection[]
  /** How long tables are kept for readers under way and for replicas of another release, after nobody claimed them any more; milliseconds. */
  readonly graceMs: number
}

export interface Upkeep {
  /** Projections whose definition this database does not hold: somebody has to migrate it. */
  readonly unpublished: readonly string[]
  readonly begun: readonly { readonly projection: string; readonly generation: number }[]
  readonly dropped: readonly { readonly projection: string; readonly generation: number }[]
}

const createGeneration = async (
  transaction: ProjectionTransaction,
  { name, version }: Pick<Projection, 'name' | 'version'>,
): Promise<number> => {
  const { rows } = await sql<{ generation: number }>`
    select chartwarden_projections.create_generation(${name}, ${version}) as generation`.execute(transaction)
  return rows[0]?.generation ?? 0
}

/** Begins generations in one new lane, so that they are built together. */
const beginTogether = async (transaction: ProjectionTransaction, projections: readonly Pick<Projection, 'name' | 'version'>[]) => {
  if (projections.length === 0) return []
  const { rows } = await sql<{ lane: string }>`insert into chartwarden_projections.lanes default values returning lane`.execute(transaction)
  const begun: { projection: string; generation: number }[] = []
  for (const projection of projections) {
    const generation = await createGeneration(transaction, projection)
    await sql`
      update chartwarden_projections.generations set lane = ${rows[0]?.lane}
      where projection = ${projection.name} and generation = ${generation}`.execute(transaction)
    begun.push({ projection: projection.name, generation })
  }
  return begun
}

/**
 * Begins generations beside those there are, leaving out what is being built already. Those begun together are built together, so that one
 * that reads another reads the new rows.
 */
export const beginRebuild = async (db: Kysely<ProjectionDatabase>, projections: readonly Pick<Projection, 'name' | 'version'>[]) =>
  db.transaction().execute(async (transaction) => {
    await lockRegistry(transaction)
    const { rows } = await sql<{ projection: string; version: number }>`
      select projection, version from chartwarden_projections.generations where state = 'building'`.execute(transaction)
    const building = new Set(rows.map(({ projection, version }) => `${projection}@${version}`))
    return beginTogether(
      transaction,
      projections.filter(({ name, version }) => !building.has(`${name}@${version}`)),
    )
  })

/** A projection and all that read it, directly or not, in order. */
export const withReaders = (name: string, projections: readonly Projection[]): readonly Projection[] => {
  const found = new Set([name])
  for (const projection of projections) if (projection.reads?.some((read) => found.has(read))) found.add(projection.name)
  return projections.filter((projection) => found.has(projection.name))
}

const published = async (transaction: ProjectionTransaction, { name, version }: Projection): Promise<boolean> => {
  const { rows } = await sql`
    select from chartwarden_projections.definitions where projection = ${name} and version = ${version}`.execute(transaction)
  return rows.length > 0
}

/** Says that this release is in use, so that what it reads is kept; answers which of its read models there are. Written now and then only. */
const claim = async (
  transaction: ProjectionTransaction,
  projections: readonly Projection[],
  graceMs: number,
): Promise<ReadonlySet<string>> => {
  const ours = sql`(projection, version) in (
    select * from unnest(${projections.map(({ name }) => name)}::text[], ${projections.map(({ version }) => version)}::integer[]))`
  await sql`
    update chartwarden_projections.generations set seen_at = clock_timestamp()
    where state in ('building', 'live') and seen_at < clock_timestamp() - make_interval(secs => ${graceMs / 10_000}) and ${ours}`.execute(
    transaction,
  )
  const { rows } = await sql<{ projection: string }>`
    select projection from chartwarden_projections.generations where state in ('building', 'live') and ${ours}`.execute(transaction)
  return new Set(rows.map(({ projection }) => projection))
}

/** Entries of a type that was unknown when they were parked, and is known to this release, are tried again. */
const replayWhatIsKnownNow = async (transaction: ProjectionTransaction): Promise<void> => {
  const { rows } = await sql<{ type: string }>`
    select distinct p.type from chartwarden_projections.parked p
    join chartwarden_projections.generations g using (projection, generation)
    where p.reason = 'unknown_type' and g.state = 'live' and not g.replay`.execute(transaction)
  const types = rows.map(({ type }) => type).filter(isKnownType)
  if (types.length === 0) return
  await sql`
    update chartwarden_projections.generations g set replay = true
    where state = 'live' and exists (
      select from chartwarden_projections.parked p
      where p.projection = g.projection and p.generation = g.generation and p.reason = 'unknown_type' and p.type = any(${types}))`.execute(
    transaction,
  )
}

/** Whatever nobody has claimed for the grace, beside another that is live. */
const retireUnclaimed = async (transaction: ProjectionTransaction, graceMs: number): Promise<void> => {
  const grace = sql`make_interval(secs => ${graceMs / 1_000})`
  await sql`
    with retired as (
      select g.projection, g.generation, g.lane from chartwarden_projections.generations g
      where g.state in ('building', 'live') and g.seen_at < clock_timestamp() - ${grace} and exists (
        select from chartwarden_projections.generations o
        where o.projection = g.projection and o.generation <> g.generation and o.state = 'live' and o.seen_at >= clock_timestamp() - ${grace}
          and (g.state = 'building' or o.version > g.version and o.switched_at < clock_timestamp() - ${grace}))
    ), moved as (
      update chartwarden_projections.lanes l set epoch = epoch + 1 from retired r where l.lane = r.lane
    )
    update chartwarden_projections.generations g set state = 'retired', lane = null, retired_at = clock_timestamp()
    from retired r where g.projection = r.projection and g.generation = r.generation`.execute(transaction)
  await sql`
    with empty_lanes as (
      delete from chartwarden_projections.lanes l
      where not exists (select from chartwarden_projections.generations g where g.lane = l.lane) returning l.lane
    )
    delete from chartwarden_projections.clinic_progress p using empty_lanes e where p.lane = e.lane`.execute(transaction)
}

/** Drops what was replaced that long ago. A reader still under way is not waited for: the next round tries again. */
const dropRetired = async ({ db, graceMs }: UpkeepOptions): Promise<Upkeep['dropped']> => {
  const { rows } = await sql<{ projection: string; generation: number }>`
    select projection, generation from chartwarden_projections.generations
    where state = 'retired' and retired_at < clock_timestamp() - make_interval(secs => ${graceMs / 1_000})`.execute(db)
  const dropped: { projection: string; generation: number }[] = []
  for (const { projection, generation } of rows) {
    try {
      await db.transaction().execute(async (transaction) => {
        await sql`set local lock_timeout = '2s'`.execute(transaction)
        await lockRegistry(transaction)
        await sql`select chartwarden_projections.drop_generation(${projection}, ${generation})`.execute(transaction)
        await sql`delete from chartwarden_projections.parked where projection = ${projection} and generation = ${generation}`.execute(
          transaction,
        )
      })
      dropped.push({ projection, generation })
    } catch (thrown) {
      // In use (lock_not_available), or another process was first (no_data_found).
      if (!['55P03', 'P0002'].includes(errorCode(thrown) ?? '')) throw thrown
    }
  }
  return dropped
}

/** One round. Safe from several processes at once. */
export const keepUp = async (options: UpkeepOptions): Promise<Upkeep> => {
  const { db, projections, graceMs } = options
  const done = await db.transaction().execute(async (transaction) => {
    await lockRegistry(transaction)
    const there = await claim(transaction, projections, graceMs)
    const unpublished: string[] = []
    const wanted: Projection[] = []
    for (const projection of projections.filter(({ name }) => !there.has(name))) {
      if (await published(transaction, projection)) wanted.push(projection)
      else unpublished.push(projection.name)
    }
    const begun = await beginTogether(transaction, wanted)
    await replayWhatIsKnownNow(transaction)
    await retireUnclaimed(transaction, graceMs)
    return { unpublished, begun }
  })
  return { ...done, dropped: await dropRetired(options) }
}
