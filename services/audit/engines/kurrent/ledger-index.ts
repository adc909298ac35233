/** The index in PostgreSQL (migrations/0001-tables.ts), from the service's side. Faults of the database are LEDGER_UNAVAILABLE with their cause. */
import type { Pool, QueryConfig, QueryResultRow } from 'pg'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { type Head, noState, type StoredEntry } from '../../ledger.ts'
import { leafHash } from '../../log/tree-hash.ts'
import { bigintArray, booleanArray, integerArray, textArray, uuidArray } from '../postgres/binary-parameters.ts'
import { unavailable } from '../postgres/entry-rows.ts'
import { type LeafRow, leafRunsOf } from '../postgres/leaf-rows.ts'
import type { Place } from './streams.ts'

/** What the index knows of an entry. */
export interface IndexedEntry {
  readonly revision: bigint
  readonly id: string
  readonly requestDigest: Buffer
}

/** What an append to a clinic must know of it. */
export interface Known extends Head {
  /** Whether there is a ledger; without one both revisions are -1. */
  readonly exists: boolean
  /** Those of the ids asked for that are there. */
  readonly entries: ReadonlyMap<string, IndexedEntry>
}

export interface Looked {
  /** The ledger's own clock, read after what was looked up: milliseconds since the epoch. */
  readonly time: number
  readonly clinics: ReadonlyMap<string, Known>
}

/** An entry of the feed, but for what only its stream holds. */
export interface FeedRow extends QueryResultRow {
  readonly position: string
  readonly clinic: string
  readonly revision: string
  readonly leaf_hash: Buffer
}

interface LookRow extends QueryResultRow {
  readonly time: string
  readonly clinic: number
  readonly revision: string | null
  readonly state_revision: string | null
  readonly id: string | null
  readonly request_digest: Buffer | null
}

interface IdRow extends QueryResultRow {
  readonly revision: string
  readonly id: string
}

const now = 'floor(extract(epoch from clock_timestamp()) * 1000)::bigint'
const entries = 'chartwarden_kurrent.entries'

const statements = {
  // The clock is read while the rows are, which is after the moment whose rows they are.
  look: `select ${now} as time, c.n::int as clinic, h.revision, h.state_revision, null::uuid as id, null::bytea as request_digest
    from unnest($1::text[]) with ordinality c (clinic, n) left join chartwarden_kurrent.heads h on h.clinic = c.clinic
    union all
    select ${now}, u.n, e.revision, null, e.id, e.request_digest
    from unnest($2::int[], $3::uuid[]) u (n, id) join ${entries} e on e.clinic = ($1::text[])[u.n] and e.id = u.id`,
  add: 'select chartwarden_kurrent.add($1, $2, $3, $4, $5, $6, $7, $8)',
  head: 'select revision, state_revision from chartwarden_kurrent.heads where clinic = $1',
  stateRevisions: `select revision from ${entries} where clinic = $1 and revision >= $2 and state_changing order by revision limit $3`,
  idOf: `select revision, id from ${entries} where clinic = $1 and revision = $2`,
  revisionsOf: `select revision, id from ${entries} where clinic = $1 and id = any ($2::uuid[]) order by revision`,
  clinics: `select clinic from chartwarden_kurrent.heads where clinic > $1 and clinic <> '_system' order by clinic limit $2`,
  time: `select ${now} as time`,
  installation: 'select id from chartwarden_kurrent.installation',
  place: 'select commit_position, prepare_position from chartwarden_kurrent.follower',
  keepPlace: `insert into chartwarden_kurrent.follower as f (commit_position, prepare_position) values ($1, $2)
    on conflict (only_one) do update set commit_position = excluded.commit_position, prepare_position = excluded.prepare_position
    where f.commit_position < excluded.commit_position`,
  after: `select position, clinic, revision, leaf_hash from ${entries} where position > (select $1::bigint) order by position limit $2`,
  leavesAfter: leafRunsOf(
    `select clinic, revision, position, recorded_at, leaf_hash from ${entries} where position > (select $1::bigint) order by position limit $2`,
    'e.leaf_hash',
  ),
  leavesOf: leafRunsOf(
    `select clinic, revision, position, recorded_at, leaf_hash from ${entries} where clinic = $1 and revision >= $2 order by revision limit $3`,
    'e.leaf_hash',
  ),
  end: 'select position from chartwarden_kurrent.log_head where log_id = 1',
} as const

export interface LedgerIndexOptions {
  /** As in the engine's options. */
  readonly writer: Pool
  readonly feed: Pool
  /** Milliseconds after which a statement without an answer is given up. Default 10,000. */
  readonly answerTimeoutMs?: number | undefined
}

export interface LedgerIndex {
  /** What tells this installation's streams from others' on the same cluster. */
  installation(): Promise<string>
  look(wanted: ReadonlyMap<string, readonly string[]>): Promise<Looked>
  /**
   * Of one clinic in order and without a gap; what is there already, or does not follow on what is there, is left out. Throws INTERNAL for an
   * id that a stream has twice, which no other try would take either.
   */
  add(entries: readonly StoredEntry[]): Promise<void>
  head(clinic: string): Promise<Head | undefined>
  /** Id of the entry at a revision. */
  idAt(clinic: string, revision: bigint): Promise<string | undefined>
  stateRevisions(clinic: string, from: bigint, most: number): Promise<readonly bigint[]>
  /** Of the ids that are there, in order of revision. */
  revisionsOf(clinic: string, ids: readonly string[]): Promise<readonly bigint[]>
  clinics(after: string, limit: number): Promise<readonly string[]>
  time(): Promise<number>
  /** Up to where in the order of all streams every entry is in the index; undefined: nowhere yet. */
  place(): Promise<Place | undefined>
  /** Never goes back. */
  keepPlace(place: Place): Promise<void>
  after(position: bigint, most: number): Promise<readonly FeedRow[]>
  leavesAfter(position: bigint, most: number): Promise<readonly LeafRow[]>
  leavesOf(clinic: string, from: bigint, most: number): Promise<LeafRow | undefined>
  end(): Promise<bigint>
}

const isDoubled = (cause: unknown): boolean => cause instanceof Error && 'code' in cause && cause.code === '23505'

/** Numbers clinics from 1, as arrays of the database are. */
const numbered = (clinics: Iterable<string>): { readonly names: readonly string[]; readonly numberOf: (clinic: string) => number } => {
  const numbers = new Map<string, number>()
  for (const clinic of clinics) if (!numbers.has(clinic)) numbers.set(clinic, numbers.size + 1)
  return { names: [...numbers.keys()], numberOf: (clinic) => numbers.get(clinic) as number }
}

export const createLedgerIndex = ({ writer, feed, answerTimeoutMs = 10_000 }: LedgerIndexOptions): LedgerIndex => {
  const query = async <Row extends QueryResultRow>(
    pool: Pool,
    name: keyof typeof statements,
    values: unknown[],
  ): Promise<readonly Row[]> => {
    const statement: QueryConfig = { name: `chartwarden_kurrent_${name}`, text: statements[name], values }
    try {
      // The driver takes the limit with the statement; its types do not know.
      return (await pool.query<Row>(Object.assign(statement, { query_timeout: answerTimeoutMs }))).rows
    } catch (cause) {
      throw unavailable(cause)
    }
  }

  return {
    installation: async () => {
      const [row] = await query<{ id: string }>(writer, 'installation', [])
      if (row === undefined) throw new ChartwardenError('INTERNAL', { cause: new Error('the index has no installation') })
      return row.id
    },
    look: async (wanted) => {
      const { names, numberOf } = numbered(wanted.keys())
      const pairs = [...wanted].flatMap(([clinic, ids]) => ids.map((id) => ({ clinic: numberOf(clinic), id })))
      const rows = await query<LookRow>(writer, 'look', [
        textArray(names),
        integerArray(pairs.map(({ clinic }) => clinic)),
        uuidArray(pairs.map(({ id }) => id)),
      ])
      const found = new Map<number, Map<string, IndexedEntry>>(names.map((_, at) => [at + 1, new Map()]))
      const clinics = new Map<string, Known>()
      for (const { clinic, revision, state_revision, id, request_digest } of rows) {
        const own = found.get(clinic) as Map<string, IndexedEntry>
        if (id !== null) own.set(id, { revision: BigInt(revision ?? 0), id, requestDigest: request_digest as Buffer })
        else {
          const head = { revision: BigInt(revision ?? -1), stateRevision: BigInt(state_revision ?? noState) }
          clinics.set(names[clinic - 1] as string, { ...head, exists: revision !== null, entries: own })
        }
      }
      return { time: Number(rows[0]?.time), clinics }
    },
    add: async (added) => {
      if (added.length === 0) return
      const { names, numberOf } = numbered(added.map(({ clinic }) => clinic))
      await query(writer, 'add', [
        textArray(names),
        integerArray(added.map(({ clinic }) => numberOf(clinic))),
        bigintArray(added.map(({ revision }) => revision)),
        uuidArray(added.map(({ id }) => id)),
        booleanArray(added.map(({ stateChanging }) => stateChanging)),
        bigintArray(added.map(({ recordedAt }) => BigInt(recordedAt))),
        Buffer.concat(added.map(({ requestDigest }) => requestDigest)),
        Buffer.concat(added.map(({ bytes }) => leafHash(bytes))),
      ]).catch((fault: ChartwardenError) => {
        throw isDoubled(fault.cause) ? new ChartwardenError('INTERNAL', { cause: fault.cause }) : fault
      })
    },
    head: async (clinic) => {
      const [row] = await query<{ revision: string; state_revision: string }>(writer, 'head', [clinic])
      return row && { revision: BigInt(row.revision), stateRevision: BigInt(row.state_revision) }
    },
    idAt: async (clinic, revision) => (await query<IdRow>(writer, 'idOf', [clinic, revision]))[0]?.id,
    stateRevisions: async (clinic, from, most) =>
      (await query<IdRow>(writer, 'stateRevisions', [clinic, from, most])).map(({ revision }) => BigInt(revision)),
    revisionsOf: async (clinic, ids) => (await query<IdRow>(writer, 'revisionsOf', [clinic, ids])).map(({ revision }) => BigInt(revision)),
    clinics: async (after, limit) => (await query<{ clinic: string }>(writer, 'clinics', [after, limit])).map(({ clinic }) => clinic),
    time: async () => Number((await query<{ time: string }>(writer, 'time', []))[0]?.time),
    place: async () => {
      const [row] = await query<{ commit_position: string; prepare_position: string }>(writer, 'place', [])
      return row && { commit: BigInt(row.commit_position), prepare: BigInt(row.prepare_position) }
    },
    keepPlace: async ({ commit, prepare }) => void (await query(writer, 'keepPlace', [commit, prepare])),
    after: (position, most) => query<FeedRow>(feed, 'after', [position, most]),
    leavesAfter: (position, most) => query<LeafRow>(feed, 'leavesAfter', [position, most]),
    leavesOf: async (clinic, from, most) => (await query<LeafRow>(feed, 'leavesOf', [clinic, from, most]))[0],
    end: async () => BigInt((await query<{ position: string }>(feed, 'end', []))[0]?.position ?? 0),
  }
}
