/**
 * A batch of appends: looked up in the index in one statement, judged, appended to the stream of each clinic behind the revision that the index
 * ends at, and added to the index. What the index did not know shows at once: an append behind the wrong revision is refused. Then the rest of
 * the stream is read, and what still holds is appended again as it is; so an entry that changed no state disturbs nobody, and one that did moves
 * what rested on the state before it.
 *
 * What is not stored is answered only from an index that was just brought to the end of the stream: a duplicate is told the state of now.
 */
import type { Clock } from '../../../kernel/clock.ts'
import { ChartwardenError } from '../../../kernel/errors.ts'
import type { Append, EngineOutcome, StoredEntry } from '../../ledger.ts'
import type { AppendEvents } from './append-events.ts'
import type { CatchUp } from './catch-up.ts'
import { eventOf } from './entry-event.ts'
import { type Judgement, judge, type Verdict } from './judge.ts'
import type { Known, LedgerIndex, Looked } from './ledger-index.ts'
import type { StreamNames } from './stream-names.ts'
import type { StreamReader } from './stream-reader.ts'
import type { KurrentStreams } from './streams.ts'

export interface AppendBatchOptions {
  readonly index: Pick<LedgerIndex, 'look' | 'add'>
  readonly streams: Pick<KurrentStreams, 'protect'>
  readonly reader: Pick<StreamReader, 'at'>
  readonly names: StreamNames
  readonly catchUp: CatchUp
  readonly appendEvents: AppendEvents
  readonly clock: Clock
  readonly newId: () => string
  /** For how long a clinic is tried whose stream others keep appending to first. Milliseconds. */
  readonly contendMs: number
  /** The same where other clinics' answers wait for this one's: then it is answered `again`. Milliseconds. */
  readonly contendBesideOthersMs: number
  /** Told of every append that another writer of the clinic came before; must not throw. */
  readonly onConflict: () => void
  /** Told of a fault that leaves nothing of its clinic's appends stored, now or later; must not throw. */
  readonly onUnsent: (fault: unknown) => void
  readonly closing: AbortSignal
}

/** Clinics whose streams are appended to at once. More would fill the client's one connection, which it does not survive (open-streams.ts). */
const clinicsAtOnce = 8

type Ids = ReadonlyMap<string, readonly string[]>

/** One clinic's part of a batch. */
interface Own {
  readonly clinic: string
  readonly appends: readonly Append[]
  readonly ids: readonly string[]
  /** No other clinic is in the batch. */
  readonly alone: boolean
}

/** What a clinic's appends are judged by. */
interface Standing {
  readonly known: Known
  /** The ledger's own clock, milliseconds since the epoch. */
  readonly time: number
  /** Reading of the monotonic clock before it was asked, in milliseconds. */
  readonly askedAt: number
}

/** What became of one clinic's appends. */
interface Settled {
  readonly outcomes: readonly EngineOutcome[]
  readonly stored: readonly StoredEntry[]
}

/** Does the work for all of them, some at a time; the results in the order of the items. */
const some = async <Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly PromiseSettledResult<Result>[]> => {
  const results: PromiseSettledResult<Result>[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next
      next += 1
      const [result] = await Promise.allSettled([work(items[at] as Item)])
      results[at] = result
    }
  }
  await Promise.all(Array.from({ length: Math.min(clinicsAtOnce, items.length) }, worker))
  return results
}

export const createAppendBatch = (options: AppendBatchOptions) => {
  const {
    index,
    streams,
    reader,
    names,
    catchUp,
    appendEvents,
    clock,
    newId,
    contendMs,
    contendBesideOthersMs,
    onConflict,
    onUnsent,
    closing,
  } = options

  /** For all that happens while nothing is sent, or what was sent is known not to be stored. */
  const unsent = async <Result>(work: Promise<Result>): Promise<Result> => {
    try {
      return await work
    } catch (fault) {
      onUnsent(fault)
      throw fault
    }
  }

  const originalsOf = async (clinic: string, revisions: readonly bigint[]): Promise<readonly StoredEntry[]> => {
    const originals = new Map<bigint, StoredEntry>()
    const ascending = [...new Set(revisions)].sort((left, right) => (left < right ? -1 : 1))
    for await (const entry of reader.at(clinic, ascending)) originals.set(entry.revision, entry)
    return revisions.map((revision) => originals.get(revision) as StoredEntry)
  }

  const outcomeOf = async (clinic: string, verdict: Verdict, { stateRevision }: Judgement, ledgerTime: number): Promise<EngineOutcome> => {
    switch (verdict.kind) {
      case 'store':
        return { kind: 'stored', revisions: verdict.revisions, stateRevision: verdict.stateRevision, ledgerTime }
      case 'duplicate':
        return { kind: 'duplicate', originals: await originalsOf(clinic, verdict.revisions), stateRevision, ledgerTime }
      case 'moved':
        return { kind: 'moved', stateRevision, ledgerTime }
      case 'mismatch':
      case 'stale':
        return { kind: verdict.kind, ledgerTime }
      case 'again':
        return verdict
    }
  }

  const look = async (ids: Ids): Promise<Looked & { readonly askedAt: number }> => {
    const askedAt = clock.monotonic()
    return { ...(await index.look(ids)), askedAt }
  }

  /** Undefined if the stream did not end where the index does, or it took too long: look and judge again. */
  const tryOnce = async (clinic: string, appends: readonly Append[], { known, time, askedAt }: Standing): Promise<Settled | undefined> => {
    const judgement = judge(appends, known, time)
    const answer = () => Promise.all(judgement.verdicts.map((verdict) => outcomeOf(clinic, verdict, judgement, time)))
    if (judgement.entries.length === 0)
      return (await unsent(catchUp(clinic))) ? undefined : { outcomes: await unsent(answer()), stored: [] }

    const stream = names.streamOf(clinic)
    if (known.revision < 0n) await unsent(streams.protect(stream))
    const events = judgement.entries.map((entry) => eventOf(entry, time, newId()))
    // The ledger's clock stood at `time` at the earliest when it was asked.
    const notSentAfter = askedAt + (judgement.notAfter - time)
    const appended = await appendEvents({ stream, events, after: known.revision, notSentAfter }, closing)
    if (appended === 'late') return undefined
    if (appended === 'conflict') {
      onConflict()
      await unsent(catchUp(clinic))
      return undefined
    }
    const stored = judgement.entries.map((entry, at) => ({
      ...entry,
      clinic,
      revision: known.revision + BigInt(at) + 1n,
      recordedAt: time,
    }))
    return { outcomes: await answer(), stored }
  }

  const settle = async ({ clinic, appends, ids, alone }: Own, first: Standing): Promise<Settled> => {
    const end = clock.monotonic() + (alone ? contendMs : contendBesideOthersMs)
    for (let standing = first; ; ) {
      const settled = await tryOnce(clinic, appends, standing)
      if (settled !== undefined) return settled
      if (clock.monotonic() >= end || closing.aborted) {
        if (!alone && !closing.aborted) return { outcomes: appends.map(() => ({ kind: 'again' })), stored: [] }
        const fault = new ChartwardenError('LEDGER_UNAVAILABLE', { cause: new Error('other writers of the clinic came first every time') })
        onUnsent(fault)
        throw fault
      }
      const { clinics, ...moment } = await unsent(look(new Map([[clinic, ids]])))
      standing = { ...moment, known: clinics.get(clinic) as Known }
    }
  }

  /** Of several clinics each fails with its own fault, which says nothing of its neighbours; the fault of a clinic alone is thrown. */
  return async (appends: readonly Append[]): Promise<readonly EngineOutcome[]> => {
    const byClinic = [...Map.groupBy(appends.entries(), ([, { clinic }]) => clinic)]
    const ids = new Map(byClinic.map(([clinic, own]) => [clinic, own.flatMap(([, { entries }]) => entries.map(({ id }) => id))]))
    const { clinics, ...moment } = await unsent(look(ids))
    const settled = await some(byClinic, ([clinic, own]) => {
      const known = clinics.get(clinic) as Known
      const appends = own.map(([, append]) => append)
      return settle({ clinic, appends, ids: ids.get(clinic) ?? [], alone: byClinic.length === 1 }, { ...moment, known })
    })
    const stored = settled.flatMap((result) => (result.status === 'fulfilled' ? result.value.stored : []))
    // The entries are durable where they belong: whoever needs them in the index finds them missing and adds them.
    await index.add(stored).catch(() => {})
    const [first] = settled
    if (first?.status === 'rejected' && settled.length === 1) throw first.reason
    const outcomes: EngineOutcome[] = []
    for (const [at, [, own]] of byClinic.entries()) {
      const result = settled[at] as PromiseSettledResult<Settled>
      for (const [n, [place]] of own.entries()) {
        outcomes[place] =
          result.status === 'fulfilled'
            ? (result.value.outcomes[n] as EngineOutcome)
            : { kind: 'failed', cause: result.reason, ledgerTime: moment.time }
      }
    }
    return outcomes
  }
}
