/**
 * Checks one ledger: its entries with the log, then what was made from them, the kept state and the read models. The result is an entry of the
 * ledger before anybody hears of it. What is made from a ledger is compared with one that is whole; with a damaged one there is nothing to
 * compare it with, and the result says that it was not compared.
 */
import { compareSnapshot, type SnapshotComparison } from './access/compare-snapshot.ts'
import type { LedgerChecked } from './access/events.ts'
import type { SnapshotStore } from './access/snapshot-store.ts'
import { appendFinding } from './audit/append-finding.ts'
import { composeEntry } from './audit/compose-entry.ts'
import { entryId, openEnvelope } from './audit/entry.ts'
import { type Ledger, type StoredEntry, systemLedger } from './audit/ledger.ts'
import type { EntriesCompared } from './audit/log/compare-entries.ts'
import type { CheckProgress, CheckRequest, CheckResult, LedgerCheck } from './audit/log/ledger-check.ts'
import type { Fault, FaultKind } from './audit/log/verify/fault.ts'
import type { ClinicVault, Vault } from './audit/vault.ts'
import { canonicalJson } from './kernel/canonical-json.ts'
import type { Wanted } from './kernel/clinic-gate.ts'
import type { Clock } from './kernel/clock.ts'
import { ChartwardenError } from './kernel/errors.ts'
import type { Randomness } from './kernel/ids.ts'
import { pause } from './kernel/pause.ts'
import type { ReadModelComparison } from './projections/compare-read-models.ts'

export type Passed = (done: bigint, total: bigint) => Promise<void>

export interface LedgerCheckOptions {
  readonly ledger: Pick<Ledger, 'append' | 'head' | 'readState'>
  readonly compareEntries: (clinic: string, passed: Passed, wanted: Wanted) => Promise<EntriesCompared>
  readonly snapshots: Pick<SnapshotStore, 'read'>
  readonly compareReadModels: (clinic: string, passed: Passed, wanted: Wanted) => Promise<ReadModelComparison>
  readonly vault: Vault
  readonly clock: Clock
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  /** Entries a second at most of a check that names no number, in each part: the disk is that of the decisions. Defaults to 50,000. */
  readonly entriesPerSecond?: number
  /** Told of each check that was made. Must not throw. */
  readonly onChecked?: ((cause: CheckRequest['cause'], result: LedgerChecked['result'] | 'failed') => void) | undefined
}

const ledgerChecked = 'chartwarden.ledger.checked.v1'
const operation = 'check_ledger'

/** Id of the entry that records the result of a check. */
export const checkEntryId = (clinic: string, requestId: string): string => entryId(clinic, operation, requestId, 0)

export const readChecked = (entry: Pick<StoredEntry, 'bytes'>): LedgerChecked => openEnvelope(entry.bytes).data as unknown as LedgerChecked

/** Faults that are answered, and those of them that the entry names. */
const mostFaults = 1_000
const mostRecorded = 20
/** Checks under way at once because somebody asked: each holds connections that publication and read models need too. */
const askedAtOnce = 2
/** Milliseconds between two reports of how far a part is. */
const tellEvery = 250

const changedAt = (clinic: string, kind: FaultKind, { stateRevision }: { readonly stateRevision: bigint }, detail: string): Fault => ({
  kind,
  clinic,
  revision: stateRevision,
  lastRevision: stateRevision,
  detail,
})

const snapshotFault = (clinic: string, found: SnapshotComparison, size: bigint): Fault | undefined => {
  switch (found.kind) {
    case 'none':
    case 'other_format':
    case 'same':
      return undefined
    case 'not_authentic':
      return changedAt(clinic, 'snapshot_changed', found, 'The kept state is not what was sealed for this clinic and revision.')
    case 'not_readable':
      return changedAt(clinic, 'snapshot_changed', found, 'The kept state cannot be read.')
    case 'differs':
      return changedAt(clinic, 'snapshot_changed', found, 'The kept state is not the one that the entries give.')
    case 'ahead_of_ledger': {
      const fault = changedAt(clinic, 'ledger_truncated', found, 'A state was kept here that rests on entries which are gone.')
      return { ...fault, revision: size }
    }
    case 'other_history':
      return changedAt(clinic, 'entry_changed', found, 'A state was kept here that rests on another entry at this revision.')
  }
}

const sides = {
  added: 'has a row that the entries do not give',
  missing: 'lacks a row of this entry',
  changed: 'has another row than the entry gives',
}

const readModelFaults = (clinic: string, found: ReadModelComparison, head: bigint): readonly Fault[] => {
  if (found.kind === 'building') return []
  const { completeTo, differences } = found
  if (completeTo > head) {
    const detail = 'The read models hold entries that are gone from the ledger.'
    return [{ kind: 'ledger_truncated', clinic, revision: head + 1n, lastRevision: completeTo, detail }]
  }
  return differences.map(({ readModel, kind, revision }) => ({
    kind: 'read_model_changed',
    clinic,
    revision: revision ?? 0n,
    lastRevision: revision ?? (completeTo < 0n ? 0n : completeTo),
    detail: `The read model ${readModel} ${sides[kind]}.`,
  }))
}

/** Keeps to a number of entries a second, counted from its making. */
const createPace = (perSecond: number, clock: Clock, signal: AbortSignal) => {
  const begun = clock.monotonic()
  return async (done: bigint): Promise<void> => {
    const early = begun + (Number(done) / perSecond) * 1_000 - clock.monotonic()
    if (early > 0) await pause(early, signal)
  }
}

/** What is told while work goes on, for whoever takes it one after the other; what was not taken in time is left out. */
const createTelling = () => {
  let next = Promise.withResolvers<void>()
  let told: CheckProgress | undefined
  return {
    tell: (progress: CheckProgress): void => {
      told = progress
      next.resolve()
    },
    async *until(work: Promise<unknown>): AsyncGenerator<CheckProgress, void> {
      let over = false
      const ended = work.then(
        () => {
          over = true
        },
        () => {
          over = true
        },
      )
      while (!over) {
        await Promise.race([next.promise, ended])
        const taken = told
        told = undefined
        next = Promise.withResolvers()
        if (taken !== undefined) yield taken
      }
    },
  }
}

export const createLedgerCheck = (options: LedgerCheckOptions): LedgerCheck => {
  const {
    ledger,
    compareEntries,
    snapshots,
    compareReadModels,
    vault,
    clock,
    randomness,
    now,
    entriesPerSecond = 50_000,
    onChecked,
  } = options
  const underWay = new Map<string, CheckRequest['cause']>()

  const keysOf = async (clinic: string): Promise<ClinicVault> => {
    const keys = clinic === systemLedger ? await vault.createClinic(clinic) : await vault.clinic(clinic)
    if (keys === undefined || (await ledger.head(clinic)) === undefined) throw new ChartwardenError('CLINIC_NOT_ALLOWED')
    return keys
  }

  type Found = Omit<CheckResult, 'entry'>

  /** The parts, one after the other. */
  const compare = async (request: CheckRequest, keys: ClinicVault, tell: (progress: CheckProgress) => void): Promise<Found> => {
    const { clinic, wishes, deadline, signal } = request
    const passing = (part: CheckProgress['part']): Passed => {
      const keepPace = createPace(request.entriesPerSecond ?? entriesPerSecond, clock, signal)
      let last = Number.NEGATIVE_INFINITY
      return async (done, total) => {
        if (signal.aborted) throw new ChartwardenError('CALL_CANCELLED')
        if (clock.monotonic() >= deadline) throw new ChartwardenError('DEADLINE_EXCEEDED')
        if (done >= total || clock.monotonic() - last >= tellEvery) {
          last = clock.monotonic()
          tell({ part, done, total })
        }
        await keepPace(done)
      }
    }
    const wanted = { deadline, signal }
    const compared = await compareEntries(clinic, passing('entries'), wanted)
    const whole = compared.faults.length === 0
    const faults = [...compared.faults]
    let { moreFaults } = compared
    let [state, projections] = [false, false]
    if (wishes.state && whole) {
      const found = await compareSnapshot(clinic, keys, { store: snapshots, ledger, clock, passed: passing('state') })
      state = found.kind !== 'none' && found.kind !== 'other_format'
      faults.push(...[snapshotFault(clinic, found, compared.size)].filter((fault) => fault !== undefined))
    }
    if (wishes.projections && whole) {
      const found = await compareReadModels(clinic, passing('projections'), wanted)
      projections = found.kind === 'compared'
      // Asked afterwards: the read models may have come further than the entries were read.
      faults.push(...readModelFaults(clinic, found, (await ledger.head(clinic))?.revision ?? -1n))
      moreFaults ||= found.kind === 'compared' && found.more
    }
    moreFaults ||= faults.length > mostFaults
    return { ...compared, faults: faults.slice(0, mostFaults), moreFaults, compared: { state, projections } }
  }

  const record = async (request: CheckRequest, keys: ClinicVault, found: Found): Promise<StoredEntry> => {
    const { clinic, cause, requestId, provenance } = request
    const { size, root, checkpoint, faults, compared } = found
    const data: LedgerChecked = {
      size: String(size),
      root: root.toString('base64'),
      ...(checkpoint === undefined ? {} : { checkpoint_size: String(checkpoint.size) }),
      result: faults.length === 0 ? 'intact' : 'damaged',
      faults: faults.slice(0, mostRecorded).map(({ kind, revision }) => ({ kind, revision: String(revision) })),
      compared: [...(compared.state ? ['state'] : []), ...(compared.projections ? ['projections'] : [])],
      cause,
    }
    const entry = await composeEntry(keys, randomness, {
      clinic,
      id: checkEntryId(clinic, requestId),
      type: ledgerChecked,
      stateChanging: false,
      time: now(),
      provenance,
      requestDigest: keys.requestDigest(canonicalJson({ operation, requestId })),
      data,
    })
    return appendFinding({ ledger, clock }, clinic, entry)
  }

  const run = async (request: CheckRequest, tell: (progress: CheckProgress) => void): Promise<CheckResult> => {
    const { cause } = request
    try {
      const keys = await keysOf(request.clinic)
      const found = await compare(request, keys, tell)
      const damaged = found.faults.length > 0
      const entry = await record(request, keys, found).catch((thrown: unknown) => {
        // Whoever asks must hear of the damage all the same.
        if (damaged && thrown instanceof ChartwardenError && thrown.reason === 'LEDGER_REGRESSED') return undefined
        throw thrown
      })
      onChecked?.(cause, damaged ? 'damaged' : 'intact')
      return { ...found, entry }
    } catch (thrown) {
      if (!request.signal.aborted) onChecked?.(cause, 'failed')
      throw thrown
    }
  }

  return {
    async *check(request) {
      const { clinic, cause } = request
      const refuse = (message: string): never => {
        throw new ChartwardenError('OVERLOADED', { message, retryAfterSeconds: 60 })
      }
      if (underWay.has(clinic)) refuse('A check of this clinic is under way already; call again once it is over.')
      // The one by schedule is one at a time already.
      if (
        cause === 'asked' &&
        underWay
          .values()
          .filter((by) => by === 'asked')
          .toArray().length >= askedAtOnce
      )
        refuse('As many checks as may be are under way already; call again once one is over.')
      underWay.set(clinic, cause)
      const left = new AbortController()
      const telling = createTelling()
      const work = run({ ...request, signal: AbortSignal.any([request.signal, left.signal]) }, telling.tell)
      try {
        yield* telling.until(work)
        return await work
      } finally {
        left.abort()
        await work.catch(() => {})
        underWay.delete(clinic)
      }
    },
  }
}
