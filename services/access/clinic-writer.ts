/**
 * The clinic writer carries promise 2: decisions and permission changes of a clinic share one order. It holds the clinic's folded state,
 * decides on it, and appends naming the state revision it decided on; when the ledger answers that the state has moved, it reads on and
 * decides again. Nothing is answered that the ledger has not taken.
 */
import { LRUCache } from 'lru-cache'
import { type EntryIds, entryIdsOf } from '../audit/entry.ts'
import { type Ledger, type NewEntry, type StoredEntry, systemLedger } from '../audit/ledger.ts'
import type { ClinicVault, Vault } from '../audit/vault.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { type SpanAttributes, type Tracer, traced } from '../kernel/telemetry/tracer.ts'
import { decodeStateEntry } from './event-codec.ts'
import type { AccessObserver } from './observer.ts'
import type { Snapshots } from './snapshots.ts'
import { type ClinicState, emptyState, evolve } from './state.ts'

/** One decision to be recorded. `decide` is pure and may run several times, each time on a newer state; only the last one counts. */
export interface Transaction<Decided> {
  decide(state: ClinicState, now: number): Decided
  /** The moment after which the decision would no longer hold, if it has one. */
  notAfter(decided: Decided): number | undefined
  /** The entries that record it. Ids must not depend on the state, except where the state is part of what they say. */
  entries(decided: Decided, now: number, stateRevision: bigint): Promise<readonly NewEntry[]>
  /** What the span of deciding says of it: codes only. */
  traced?(decided: Decided): SpanAttributes
}

export type Committed<Decided> =
  | {
      readonly kind: 'stored'
      readonly decided: Decided
      readonly entries: readonly StoredEntry[]
      readonly stateRevision: bigint
    }
  /** The ids were there before: the originals; `state` is folded to at least the revision the ledger named, and `now` is its time. */
  | { readonly kind: 'duplicate'; readonly originals: readonly StoredEntry[]; readonly now: number }
  | { readonly kind: 'mismatch' }

export interface ClinicWriter {
  readonly clinic: string
  readonly vault: ClinicVault
  readonly entryId: EntryIds
  /** The folded state. Synchronous use only: it changes as entries are read. */
  readonly state: ClinicState
  /** Decides and appends until the ledger takes it. Throws DEADLINE_EXCEEDED when that takes too long. */
  commit<Decided>(transaction: Transaction<Decided>, deadline: number): Promise<Committed<Decided>>
  /**
   * Folds everything the ledger holds now. After it the state is at least as new as when it was called. Throws LEDGER_REGRESSED where the clinic
   * is not served.
   */
  refresh(): Promise<void>
}

export interface ClinicWritersOptions {
  readonly ledger: Ledger
  readonly vault: Vault
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  readonly clock: Clock
  /** Undefined: every state is folded from the beginning of its ledger. */
  readonly snapshots?: Pick<Snapshots, 'of'>
  /** Clinics whose state is kept folded. Defaults to 2,000. */
  readonly maxClinics?: number
  readonly tracer?: Tracer | undefined
  readonly observer?: Pick<AccessObserver, 'decidedAgain'> | undefined
  /** Throws LEDGER_REGRESSED for a clinic whose ledger ends before what was signed of it: its state answers nobody. */
  readonly requireServed?: ((clinic: string) => void) | undefined
}

export interface ClinicWriters {
  /** The writer of a registered clinic; throws CLINIC_NOT_ALLOWED when there is no such clinic. */
  open(clinic: string): Promise<ClinicWriter>
  /** As `open`, without keeping the state of a clinic that is not kept already. */
  visit(clinic: string): Promise<ClinicWriter>
  /** The writers of the clinics whose state is kept, as far as they are open. */
  kept(): Iterable<ClinicWriter>
}

const createClinicWriter = async (clinic: string, vault: ClinicVault, options: ClinicWritersOptions): Promise<ClinicWriter> => {
  const { ledger, now, clock, tracer, observer, requireServed } = options
  const snapshots = options.snapshots?.of(clinic, vault)
  const loaded = await snapshots?.load()
  // A head behind what was already seen, were it by an earlier process: not served until somebody has looked, since a lost failover or a
  // restored backup would bring revoked rights back.
  if (loaded === 'regressed') throw new ChartwardenError('LEDGER_REGRESSED')
  const state = loaded ?? emptyState()
  let highestSeen = state.revision
  let regressed = false
  let reading: Promise<void> | undefined

  const regress = (): never => {
    regressed = true
    throw new ChartwardenError('LEDGER_REGRESSED')
  }

  const fold = async (): Promise<void> => {
    for await (const entry of ledger.readState(clinic, state.revision + 1n)) {
      evolve(state, decodeStateEntry(entry))
      snapshots?.folded(entry)
      if (entry.revision > highestSeen) highestSeen = entry.revision
    }
    snapshots?.offer(state)
  }

  /** Reads until the state is at least at `revision`; readers that come meanwhile share one reading and check again. */
  const foldTo = async (revision: bigint): Promise<void> => {
    while (state.revision < revision) {
      const before = state.revision
      const joined = reading !== undefined
      reading ??= fold().finally(() => {
        reading = undefined
      })
      await reading
      if (!joined && state.revision === before && state.revision < revision) regress()
    }
  }

  const refresh = async (): Promise<void> => {
    requireServed?.(clinic)
    if (regressed) throw new ChartwardenError('LEDGER_REGRESSED')
    // What is seen while the answer is on its way may be newer than the answer: only what was seen before it proves anything.
    const [folded, seen] = [state.revision, highestSeen]
    const head = await ledger.head(clinic)
    if (head === undefined || head.stateRevision < folded || head.revision < seen) return regress()
    await foldTo(head.stateRevision)
  }

  const decideTraced = <Decided>(transaction: Transaction<Decided>, time: number, attempt: number): Decided =>
    traced(tracer, 'decide', (span) => {
      const decided = transaction.decide(state, time)
      span?.set({ 'chartwarden.attempt': attempt, ...transaction.traced?.(decided) })
      return decided
    })

  const commit: ClinicWriter['commit'] = async (transaction, deadline) => {
    for (let attempt = 1; ; attempt += 1) {
      if (regressed) throw new ChartwardenError('LEDGER_REGRESSED')
      if (clock.monotonic() > deadline) throw new ChartwardenError('DEADLINE_EXCEEDED')
      const time = now()
      const restsOn = state.revision
      const seenBefore = highestSeen
      const decided = decideTraced(transaction, time, attempt)
      const notAfter = transaction.notAfter(decided)
      const entries = await transaction.entries(decided, time, restsOn)
      const outcome = await ledger.append({ clinic, entries, restsOn, deadline, ...(notAfter === undefined ? {} : { notAfter }) })
      switch (outcome.kind) {
        case 'stored': {
          const last = outcome.revisions.at(-1) as bigint
          if ((outcome.revisions[0] as bigint) <= seenBefore) return regress()
          if (last > highestSeen) highestSeen = last
          if (entries.some((entry) => entry.stateChanging)) await foldTo(outcome.stateRevision)
          const stored = entries.map((entry, index) => ({
            ...entry,
            clinic,
            revision: outcome.revisions[index] as bigint,
            recordedAt: outcome.ledgerTime,
          }))
          return { kind: 'stored', decided, entries: stored, stateRevision: outcome.stateRevision }
        }
        case 'duplicate':
          if (outcome.stateRevision < restsOn) return regress()
          await foldTo(outcome.stateRevision)
          return { kind: 'duplicate', originals: outcome.originals, now: outcome.ledgerTime }
        case 'mismatch':
          return outcome
        case 'moved':
          if (outcome.stateRevision < restsOn) return regress()
          await foldTo(outcome.stateRevision)
          observer?.decidedAgain('moved')
          break
        case 'stale':
          observer?.decidedAgain('stale')
          break
      }
    }
  }

  await foldTo((await ledger.head(clinic))?.stateRevision ?? -1n)
  return { clinic, vault, entryId: entryIdsOf(clinic), state, commit, refresh }
}

/** The writers of all clinics this process serves; the least used are dropped and folded again when they are asked for. */
export const createClinicWriters = (options: ClinicWritersOptions): ClinicWriters => {
  const { ledger, vault } = options
  const ready = new Map<string, ClinicWriter>()
  const writers = new LRUCache<string, Promise<ClinicWriter>>({
    max: options.maxClinics ?? 2_000,
    dispose: (_, clinic) => void ready.delete(clinic),
  })
  const open = async (clinic: string): Promise<ClinicWriter> => {
    const head = clinic === systemLedger ? undefined : await ledger.head(clinic)
    const keys = head === undefined ? undefined : await vault.clinic(clinic)
    if (keys === undefined) throw new ChartwardenError('CLINIC_NOT_ALLOWED')
    return createClinicWriter(clinic, keys, options)
  }
  return {
    open: (clinic) => {
      const known = writers.get(clinic)
      if (known !== undefined) return known
      const opening = open(clinic)
      writers.set(clinic, opening)
      opening.then(
        (writer) => {
          if (writers.peek(clinic) === opening) ready.set(clinic, writer)
        },
        () => {
          if (writers.peek(clinic) === opening) writers.delete(clinic)
        },
      )
      return opening
    },
    visit: (clinic) => writers.peek(clinic) ?? open(clinic),
    kept: () => ready.values(),
  }
}
