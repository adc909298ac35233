/**
 * The reference model: every rule of the port in its plainest form. The contract and property tests hold the other engines against it. It
 * keeps everything in memory and is no place for a clinic's ledger.
 */
import type { Clock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { checkAppend } from '../append-rules.ts'
import {
  type Append,
  type EngineOutcome,
  type FeedBatch,
  type Head,
  type LedgerEngine,
  noState,
  type Position,
  type StoredEntry,
  systemLedger,
} from '../ledger.ts'
import { leafHash } from '../log/tree-hash.ts'
import { createChanges } from './changes.ts'
import { numberOf, positionOf } from './position.ts'

const feedPage = 1_000

interface MemoryLedger {
  readonly entries: StoredEntry[]
  readonly byId: Map<string, StoredEntry>
  stateRevision: bigint
}

const emptyLedger = (): MemoryLedger => ({ entries: [], byId: new Map(), stateRevision: noState })

/** What one batch has done to a clinic so far. */
interface Turn {
  readonly existed: boolean
  readonly stateBefore: bigint
  /** Ids named by earlier appends of the batch, stored or not. */
  readonly named: Set<string>
  /** Ids stored by earlier appends of the batch. */
  readonly fresh: Set<string>
  stateMoved: boolean
}

const hashesOf = (entries: readonly StoredEntry[]): Buffer => Buffer.concat(entries.map(({ bytes }) => leafHash(bytes)))

const byBytes = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))

/** A ledger engine in memory. `clock.wall()` is the ledger's own clock. */
export const createMemoryEngine = ({ clock }: { readonly clock: Clock }): LedgerEngine => {
  const ledgers = new Map([[systemLedger, emptyLedger()]])
  const log: StoredEntry[] = []
  const changes = createChanges()
  const closing = new AbortController()

  const stateOf = (clinic: string): bigint => ledgers.get(clinic)?.stateRevision ?? noState

  const store = (append: Append, recordedAt: number): readonly StoredEntry[] => {
    const ledger: MemoryLedger = ledgers.get(append.clinic) ?? emptyLedger()
    ledgers.set(append.clinic, ledger)
    return append.entries.map((entry) => {
      const stored: StoredEntry = {
        id: entry.id,
        type: entry.type,
        stateChanging: entry.stateChanging,
        requestDigest: Uint8Array.from(entry.requestDigest),
        bytes: Uint8Array.from(entry.bytes),
        clinic: append.clinic,
        revision: BigInt(ledger.entries.length),
        recordedAt,
      }
      ledger.entries.push(stored)
      ledger.byId.set(stored.id, stored)
      log.push(stored)
      if (stored.stateChanging) ledger.stateRevision = stored.revision
      return stored
    })
  }

  /** The verdict on one append, given what earlier ones of its batch did; stores it if it may be stored. */
  const judge = (append: Append, turn: Turn, ledgerTime: number): EngineOutcome => {
    const { clinic, entries, restsOn, notAfter } = append
    const moved = { kind: 'moved', stateRevision: noState, ledgerTime } as const
    if (!turn.existed && restsOn !== noState) return moved

    const pairs = entries.map((entry) => ({
      entry,
      original: turn.fresh.has(entry.id) ? undefined : ledgers.get(clinic)?.byId.get(entry.id),
    }))
    if (pairs.some(({ original }) => original !== undefined)) {
      const same = pairs.every(({ entry, original }) => original && Buffer.compare(entry.requestDigest, original.requestDigest) === 0)
      const originals = pairs.map(({ original }) => original).filter((original) => original !== undefined)
      return same ? { kind: 'duplicate', originals, stateRevision: noState, ledgerTime } : { kind: 'mismatch', ledgerTime }
    }
    if (entries.some((entry) => turn.named.has(entry.id))) return { kind: 'again' }
    if (notAfter !== undefined && ledgerTime >= notAfter) return { kind: 'stale', ledgerTime }
    if (restsOn !== 'any' && (restsOn !== turn.stateBefore || turn.stateMoved)) return moved

    const stored = store(append, ledgerTime)
    for (const entry of stored) turn.fresh.add(entry.id)
    if (stored.some((entry) => entry.stateChanging)) turn.stateMoved = true
    return { kind: 'stored', revisions: stored.map((entry) => entry.revision), stateRevision: stateOf(clinic), ledgerTime }
  }

  const appendBatch = (appends: readonly Append[]): readonly EngineOutcome[] => {
    for (const append of appends) checkAppend(append)
    const ledgerTime = Math.floor(clock.wall())
    const turns = new Map<string, Turn>()
    const verdicts = appends.map((append) => {
      const { clinic } = append
      const turn = turns.get(clinic) ?? {
        existed: ledgers.has(clinic),
        stateBefore: stateOf(clinic),
        named: new Set(),
        fresh: new Set(),
        stateMoved: false,
      }
      turns.set(clinic, turn)
      const verdict = judge(append, turn, ledgerTime)
      for (const entry of append.entries) turn.named.add(entry.id)
      return verdict
    })
    changes.announce()
    // Whoever has to read on, or is handed an original, is told the state after the whole batch: that is the state when it hears of it.
    return verdicts.map((verdict, index) =>
      verdict.kind === 'moved' || verdict.kind === 'duplicate'
        ? { ...verdict, stateRevision: stateOf(appends[index]?.clinic ?? '') }
        : verdict,
    )
  }

  const pages = async function* (from: Position | undefined, most: number, signal: AbortSignal): AsyncGenerator<FeedBatch> {
    const stop = AbortSignal.any([signal, closing.signal])
    let last = Number(numberOf(from))
    if (last > log.length) throw new ChartwardenError('LEDGER_REGRESSED')
    while (!stop.aborted) {
      const mark = changes.mark()
      const entries = log.slice(last, last + most)
      if (entries.length === 0) {
        await changes.after(mark, Number.POSITIVE_INFINITY, stop)
        continue
      }
      last += entries.length
      yield { entries, position: positionOf(BigInt(last)) }
    }
  }

  return {
    async appendBatch(appends) {
      return appendBatch(appends)
    },
    async *read(clinic, from, to) {
      for (const entry of ledgers.get(clinic)?.entries.slice() ?? []) if (entry.revision >= from && entry.revision <= to) yield entry
    },
    async *readState(clinic, from) {
      for (const entry of ledgers.get(clinic)?.entries.slice() ?? []) if (entry.revision >= from && entry.stateChanging) yield entry
    },
    async find(clinic, ids) {
      const found = ids.map((id) => ledgers.get(clinic)?.byId.get(id)).filter((entry) => entry !== undefined)
      return new Map(found.map((entry) => [entry.id, entry]))
    },
    async head(clinic): Promise<Head | undefined> {
      const ledger = ledgers.get(clinic)
      return ledger && { revision: BigInt(ledger.entries.length) - 1n, stateRevision: ledger.stateRevision }
    },
    async time() {
      return Math.floor(clock.wall())
    },
    async clinics(after, limit) {
      const names = [...ledgers.keys()].filter((name) => name !== systemLedger && byBytes(name, after) > 0)
      return names.sort(byBytes).slice(0, limit)
    },
    subscribe: (from, signal) => pages(from, feedPage, signal),
    async *leaves(from, most, signal) {
      for await (const { entries, position } of pages(from, most, signal)) {
        const byClinic = Map.groupBy(entries, ({ clinic }) => clinic)
        const runs = [...byClinic].map(([clinic, own]) => ({
          clinic,
          first: own[0]?.revision ?? 0n,
          hashes: hashesOf(own),
          recordedAt: Math.min(...own.map(({ recordedAt }) => recordedAt)),
        }))
        yield { runs, entries: entries.length, position }
      }
    },
    async leafHashes(clinic, from, most) {
      return hashesOf((ledgers.get(clinic)?.entries ?? []).slice(Number(from), Number(from) + most))
    },
    async end() {
      return log.length === 0 ? undefined : positionOf(BigInt(log.length))
    },
    distance: (from, to) => numberOf(to) - numberOf(from),
    async close() {
      closing.abort()
    },
  }
}
