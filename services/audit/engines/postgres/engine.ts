/**
 * The ledger in PostgreSQL. Order, verdicts and durability are the append function's (migrations/0004-append.ts, 0005-append-alone.ts); this is the client side:
 * one statement per batch, reads in pages by key, and the feed by gapless position.
 */
import type { Pool, QueryConfig, QueryResultRow } from 'pg'
import { isUuid } from '../../../kernel/ids.ts'
import { checkAppend } from '../../append-rules.ts'
import type { Head, LedgerEngine, Position } from '../../ledger.ts'
import { createChanges } from '../changes.ts'
import { nextPage } from '../next-page.ts'
import { numberOf, positionOf } from '../position.ts'
import { appendOutcomes, appendStatement } from './append-statement.ts'
import { type EntryRow, entries, findStatement, gap, pagesOf, readStatement, storedEntry, unavailable } from './entry-rows.ts'
import { type LeafRow, leafRuns, leavesAfterStatement, leavesOfStatement } from './leaf-rows.ts'
import { createSendAppend } from './send-append.ts'
import { createWakeUp } from './wake-up.ts'

export interface PostgresEngineOptions {
  /** Connects as a member of `chartwarden_writer`; see `createPool`. Ended by whoever made it. */
  readonly writer: Pool
  /** Connects as a member of `chartwarden_feed`. One connection of it listens while there are subscribers. */
  readonly feed: Pool
  /** How often a subscriber that has caught up looks for itself. Milliseconds, default 500. */
  readonly pollMs?: number
  /** Entries fetched at once. Default 1,000. */
  readonly pageEntries?: number
  /**
   * After which a statement without an answer is given up and its connection closed, should the server be gone without a word; the pool's
   * own `statement_timeout` ends it on the server. Milliseconds, default 10,000.
   */
  readonly answerTimeoutMs?: number
}

const statements = {
  read: readStatement,
  readState: `${entries} where clinic = $1 and revision >= $2 and state_changing order by revision limit $3`,
  find: findStatement,
  head: 'select revision, state_revision from chartwarden_ledger.heads where clinic = $1',
  time: 'select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ledger_time',
  clinics: `select clinic from chartwarden_ledger.heads where clinic > $1 and clinic <> '_system' order by clinic limit $2`,
  leavesAfter: leavesAfterStatement,
  leavesOf: leavesOfStatement,
  end: 'select position from chartwarden_ledger.log_head where log_id = 1',
} as const

/** A ledger engine over PostgreSQL whose schema `migrateLedger` made. Faults of the database are LEDGER_UNAVAILABLE with their cause. */
export const createPostgresEngine = (options: PostgresEngineOptions): LedgerEngine => {
  const { writer, feed, pollMs = 500, pageEntries = 1_000, answerTimeoutMs = 10_000 } = options
  const changes = createChanges()
  const wakeUp = createWakeUp({ pool: feed, channel: 'chartwarden_ledger', onWake: changes.announce, retryMs: pollMs })
  const closing = new AbortController()
  const appender = createSendAppend(writer)
  let seenPosition = 0n

  /** The driver takes the limit with the statement; its types do not know. */
  const bounded = (statement: QueryConfig): QueryConfig => Object.assign(statement, { query_timeout: answerTimeoutMs })

  // The subquery and the literal limit keep the planner from guessing by the values: it plans sixteen partitions once, and not on every fetch.
  const feedPage = {
    name: `chartwarden_feed_${pageEntries}`,
    text: `${entries} where log_id = 1 and position > (select $1::bigint) order by position limit ${pageEntries}`,
  }

  const run = async <Row extends QueryResultRow>(pool: Pool, statement: QueryConfig): Promise<Row[]> => {
    try {
      return (await pool.query<Row>(bounded(statement))).rows
    } catch (cause) {
      throw unavailable(cause)
    }
  }

  const query = <Row extends QueryResultRow>(pool: Pool, name: keyof typeof statements, values: unknown[]): Promise<Row[]> =>
    run(pool, { name: `chartwarden_${name}`, text: statements[name], values })

  const endOfLog = async (): Promise<bigint> => BigInt((await query<{ position: string }>(feed, 'end', []))[0]?.position ?? 0)

  const pages = { changes, pollMs, end: endOfLog }

  const appendBatch: LedgerEngine['appendBatch'] = async (appends) => {
    for (const append of appends) checkAppend(append)
    if (appends.length === 0) return []
    const rows = await appender.send(bounded(appendStatement(appends, seenPosition)))
    const position = BigInt(rows[0]?.log_position ?? 0)
    if (position > seenPosition) seenPosition = position
    return appendOutcomes(appends, rows)
  }

  return {
    appendBatch,
    storedNothing: appender.storedNothing,
    read: (clinic, from, to) => pagesOf(from, to, pageEntries, (next) => query<EntryRow>(writer, 'read', [clinic, next, to, pageEntries])),
    async *readState(clinic, from) {
      let next = from
      while (true) {
        const page = await query<EntryRow>(writer, 'readState', [clinic, next, pageEntries])
        yield* page.map(storedEntry)
        const last = page.at(-1)
        if (!last || page.length < pageEntries) return
        next = BigInt(last.revision) + 1n
      }
    },
    async find(clinic, ids) {
      const rows = await query<EntryRow>(writer, 'find', [clinic, ids.filter(isUuid)])
      return new Map(rows.map((row) => [row.id, storedEntry(row)]))
    },
    async head(clinic): Promise<Head | undefined> {
      const [row] = await query<{ revision: string; state_revision: string }>(writer, 'head', [clinic])
      return row && { revision: BigInt(row.revision), stateRevision: BigInt(row.state_revision) }
    },
    async time() {
      const [row] = await query<{ ledger_time: string }>(writer, 'time', [])
      return Number(row?.ledger_time)
    },
    async clinics(after, limit) {
      return (await query<{ clinic: string }>(writer, 'clinics', [after, limit])).map((row) => row.clinic)
    },
    async *subscribe(from, signal) {
      const stop = AbortSignal.any([signal, closing.signal])
      wakeUp.start()
      let last = numberOf(from)
      while (true) {
        const page = await nextPage(pages, last, stop, () => run<EntryRow>(feed, { ...feedPage, values: [last] }))
        if (!page || stop.aborted) return
        for (const row of page) {
          if (BigInt(row.position) !== last + 1n) throw gap('position', last + 1n, BigInt(row.position))
          last += 1n
        }
        yield { entries: page.map(storedEntry), position: positionOf(last) }
      }
    },
    async *leaves(from, most, signal) {
      const stop = AbortSignal.any([signal, closing.signal])
      wakeUp.start()
      let last = numberOf(from)
      while (true) {
        const page = await nextPage(pages, last, stop, () => query<LeafRow>(feed, 'leavesAfter', [last, most]))
        if (!page || stop.aborted) return
        const { runs, end } = leafRuns(page, last)
        const entries = Number(end - last)
        last = end
        yield { runs, entries, position: positionOf(end) }
      }
    },
    async leafHashes(clinic, from, most) {
      const [row] = await query<LeafRow>(feed, 'leavesOf', [clinic, from, most])
      if (row === undefined) return Buffer.alloc(0)
      if (BigInt(row.first) !== from) throw gap('revision', from, BigInt(row.first))
      return row.hashes
    },
    async end(): Promise<Position | undefined> {
      const end = await endOfLog()
      return end === 0n ? undefined : positionOf(end)
    },
    distance: (from, to) => numberOf(to) - numberOf(from),
    async close() {
      closing.abort()
      await wakeUp.close()
    },
  }
}
