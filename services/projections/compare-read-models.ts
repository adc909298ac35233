/**
 * Compares the rows of one clinic in the read models with those that its ledger gives: its entries are applied once more, to empty tables of
 * the same definitions, up to the very revisions that the read models have come to, and the rows are compared in one snapshot of the database.
 * The reports go on reading, and the runner writing, meanwhile.
 */
import { type Kysely, sql } from 'kysely'
import type { Pool } from 'pg'
import type { ClinicEntries } from '../audit/clinic-entries.ts'
import type { StoredEntry } from '../audit/ledger.ts'
import type { Wanted } from '../kernel/clinic-gate.ts'
import { lendConnection } from '../kernel/postgres/lend-connection.ts'
import { faultOfContent, type Parked, writeRows } from './apply-entries.ts'
import { type ComparisonTables, dropAbandoned, dropTables, makeTables } from './comparison-tables.ts'
import { onClient, onPool, type ProjectionDatabase, type ProjectionTransaction } from './database.ts'
import type { Projection } from './projection.ts'
import { type Member, readRegistry } from './registry.ts'

/** A row that is not the ledger's. */
export interface RowDifference {
  readonly readModel: string
  readonly table: string
  /** In the read model and not of the ledger, the other way round, or one of each: changed. */
  readonly kind: 'added' | 'missing' | 'changed'
  /** Of the entry that the row was made from; undefined where the row names none that the ledger has. */
  readonly revision: bigint | undefined
}

export type ReadModelComparison =
  /** There are none yet, or not of this version: they are being built. */
  | { readonly kind: 'building' }
  | {
      readonly kind: 'compared'
      /** Up to which revision the read models hold the clinic's entries; -1: none yet. */
      readonly completeTo: bigint
      readonly differences: readonly RowDifference[]
      /** Whether there are more differences than are listed. */
      readonly more: boolean
    }

export interface ReadModelComparisonOptions {
  /** Of the feed role. */
  readonly pool: Pool
  readonly entries: Pick<ClinicEntries, 'read' | 'find'>
  readonly projections: readonly Projection[]
  /** Called after so many entries were applied, of so many; what it answers is waited for, and what it throws ends the comparison. */
  readonly passed: (done: bigint, total: bigint) => Promise<void>
  readonly wanted: Wanted
}

/** Entries applied in one transaction. */
const batch = 1_000
/** Entries that may be left for the transaction that compares. */
const nearEnough = 1_000n
/** Rows listed of one table. */
const listed = 100

type Reached = ReadonlyMap<Member, bigint>

/** The live generations, and how far each holds the clinic; undefined unless all are live. */
const readLive = async (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  projections: readonly Projection[],
): Promise<Reached | undefined> => {
  const rows = await readRegistry(db)
  const progress = await db
    .selectFrom('chartwarden_projections.clinic_progress')
    .select(['lane', 'complete_to_revision'])
    .where('clinic', '=', clinic)
    .execute()
  const reached = new Map<Member, bigint>()
  for (const projection of projections) {
    const row = rows.find((one) => one.state === 'live' && one.projection === projection.name && one.version === projection.version)
    if (row === undefined) return undefined
    reached.set({ projection, row }, BigInt(progress.find(({ lane }) => lane === row.lane)?.complete_to_revision ?? -1n))
  }
  return reached
}

const inOrder = (revisions: Iterable<bigint>): readonly bigint[] => [...revisions].sort((one, other) => (one < other ? -1 : 1))
const least = (revisions: Iterable<bigint>): bigint => inOrder(revisions)[0] ?? -1n
const most = (revisions: Iterable<bigint>): bigint => inOrder(revisions).at(-1) ?? -1n

const apply = async (
  transaction: ProjectionTransaction,
  { schema }: ComparisonTables,
  members: readonly Member[],
  entries: readonly StoredEntry[],
  careful: boolean,
): Promise<readonly Parked[]> => {
  await sql`select set_config('search_path', ${`"${schema}", pg_temp`}, true), set_config('synchronous_commit', 'off', true)`.execute(
    transaction,
  )
  return writeRows(transaction, members, entries, careful)
}

async function* inBatches(entries: AsyncIterable<StoredEntry>): AsyncGenerator<readonly StoredEntry[]> {
  let gathered: StoredEntry[] = []
  for await (const entry of entries) {
    gathered.push(entry)
    if (gathered.length < batch) continue
    yield gathered
    gathered = []
  }
  if (gathered.length > 0) yield gathered
}

interface DifferentRow {
  readonly side: 'added' | 'missing'
  readonly revision: string | null
  readonly entry: string | null
}

/** Rows of one side that the other lacks, counted as often as they stand there. */
const differentRows = async (
  transaction: ProjectionTransaction,
  clinic: string,
  table: string,
  live: string,
  made: string,
): Promise<readonly DifferentRow[]> => {
  const [ours, theirs] = [
    sql`select * from ${sql.table(`${live}.${table}`)} where clinic = ${clinic}`,
    sql`select * from ${sql.table(`${made}.${table}`)}`,
  ]
  const { rows } = await sql<DifferentRow>`
    with added as (${ours} except all ${theirs}), missing as (${theirs} except all ${ours}),
    different as (
      select 'added' as side, to_jsonb(a) as content from added a union all select 'missing', to_jsonb(m) from missing m
    )
    select side, content ->> 'revision' as revision, coalesce(content ->> 'entry_id', content ->> 'grant_id') as entry
    from different order by (content ->> 'revision')::bigint nulls last, side limit ${listed + 1}`.execute(transaction)
  return rows
}

/** What was set aside as unreadable must be so in both. */
const differentParked = async (
  transaction: ProjectionTransaction,
  clinic: string,
  { row }: Member,
  made: readonly Parked[],
): Promise<readonly DifferentRow[]> => {
  const parked = made.filter(({ member }) => member.row.projection === row.projection).map(({ entry }) => String(entry.revision))
  const rows = await transaction
    .selectFrom('chartwarden_projections.parked')
    .select('revision')
    .where('projection', '=', row.projection)
    .where('generation', '=', row.generation)
    .where('clinic', '=', clinic)
    .execute()
  const live = new Set(rows.map(({ revision }) => revision))
  return [
    ...[...live].filter((revision) => !parked.includes(revision)).map((revision) => ({ side: 'added', revision, entry: null }) as const),
    ...parked.filter((revision) => !live.has(revision)).map((revision) => ({ side: 'missing', revision, entry: null }) as const),
  ]
}

/** Added and missing rows of one entry are one row that was changed. */
const named = (
  readModel: string,
  table: string,
  rows: readonly DifferentRow[],
  revisions: ReadonlyMap<string, bigint>,
): RowDifference[] => {
  const revisionOf = ({ revision, entry }: DifferentRow) => (revision === null ? revisions.get(entry ?? '') : BigInt(revision))
  return [...Map.groupBy(rows, revisionOf)].map(([revision, some]) => {
    const sides = new Set(some.map(({ side }) => side))
    return { readModel, table, revision, kind: sides.size > 1 ? 'changed' : ([...sides][0] ?? 'changed') }
  })
}

/** Compares, in an order that a runner under way does not disturb. Throws what the database, the entries or `passed` throws. */
export const compareReadModels = async (clinic: string, options: ReadModelComparisonOptions): Promise<ReadModelComparison> => {
  const { pool, entries, projections, passed, wanted } = options

  const compare = async (db: Kysely<ProjectionDatabase>, tables: ComparisonTables): Promise<ReadModelComparison> => {
    const parked: Parked[] = []
    let next = 0n

    const applyTo = async (members: readonly Member[], some: readonly StoredEntry[]): Promise<void> => {
      const within = (careful: boolean) => db.transaction().execute((transaction) => apply(transaction, tables, members, some, careful))
      try {
        parked.push(...(await within(false)))
      } catch (thrown) {
        if (faultOfContent(thrown) === undefined) throw thrown
        parked.push(...(await within(true)))
      }
    }

    for (;;) {
      const reached = await readLive(db, clinic, projections)
      if (reached === undefined) return { kind: 'building' }
      const [to, total] = [least(reached.values()), most(reached.values()) + 1n]
      if (to - next < nearEnough) break
      const before = next
      for await (const some of inBatches(entries.read(clinic, next, to, wanted))) {
        await applyTo([...reached.keys()], some)
        next += BigInt(some.length)
        await passed(next, total)
      }
      // The ledger ends before the read models: there is nothing more to apply.
      if (next === before) break
    }

    return db
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (transaction) => {
        await sql`set local statement_timeout = 0`.execute(transaction)
        const reached = await readLive(transaction, clinic, projections)
        if (reached === undefined) return { kind: 'building' }
        const completeTo = least(reached.values())
        const rest: StoredEntry[] = []
        for await (const entry of entries.read(clinic, next, most(reached.values()), wanted)) rest.push(entry)
        const members = [...reached]
        for (const [member, to] of members) {
          const due = rest.filter(({ revision }) => revision <= to)
          if (due.length > 0) parked.push(...(await apply(transaction, tables, [member], due, true)))
        }
        const differences: RowDifference[] = []
        let more = false
        const take = async (readModel: string, table: string, rows: readonly DifferentRow[]): Promise<void> => {
          const shown = rows.slice(0, listed)
          more ||= shown.length < rows.length
          const unnamed = shown.flatMap(({ revision, entry }) => (revision === null && entry !== null ? [entry] : []))
          const found = unnamed.length === 0 ? new Map<string, StoredEntry>() : await entries.find(clinic, unnamed, wanted)
          differences.push(...named(readModel, table, shown, new Map([...found].map(([id, { revision }]) => [id, revision]))))
        }
        for (const [member] of members) {
          const { name, tables: own } = member.projection
          for (const table of own) {
            await take(name, table.name, await differentRows(transaction, clinic, table.name, member.row.schema, tables.schema))
          }
          await take(name, 'parked', await differentParked(transaction, clinic, member, parked))
        }
        return { kind: 'compared', completeTo, differences, more }
      })
  }

  try {
    return await lendConnection(pool, wanted.signal, async (client) => {
      const db = onClient(client)
      if ((await readLive(db, clinic, projections)) === undefined) return { kind: 'building' }
      await dropAbandoned(db)
      const tables = await makeTables(db, projections)
      const outcome = await compare(db, tables)
      await dropTables(db, tables)
      return outcome
    })
  } catch (thrown) {
    // The connection is gone, and its lock with it: at once, or else by the next comparison.
    await dropAbandoned(onPool(pool)).catch(() => {})
    throw thrown
  }
}
