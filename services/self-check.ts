/**
 * Every ledger is checked again and again, one after the other, at a pace that leaves the disk to others. One process of an installation does
 * it at a time. Which checks are due stands in the ledgers themselves: the id of a result follows from the clinic and the hour of its check, so
 * that a restart, or another process, neither repeats a check nor forgets one.
 */
import type { Pool } from 'pg'
import type { LedgerChecked } from './access/events.ts'
import { type Ledger, systemLedger } from './audit/ledger.ts'
import type { LedgerCheck } from './audit/log/ledger-check.ts'
import type { FaultKind } from './audit/log/verify/fault.ts'
import type { Clock } from './kernel/clock.ts'
import type { Logger } from './kernel/logging.ts'
import { pause } from './kernel/pause.ts'
import { lendConnection } from './kernel/postgres/lend-connection.ts'
import { checkEntryId, readChecked } from './ledger-check.ts'

export interface SelfCheckOptions {
  readonly check: LedgerCheck['check']
  readonly ledger: Pick<Ledger, 'clinics' | 'find'>
  /** Of the feed role: one connection of it is kept while a round is under way. */
  readonly pool: Pool
  /** Between two checks of one ledger; at least 1. */
  readonly hours: number
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  readonly clock: Clock
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Entries a second at most. Defaults to 10,000. */
  readonly entriesPerSecond?: number
  /** Between two looks at what is due, in milliseconds. Defaults to 60,000. */
  readonly tickMs?: number
}

/** What the last checks have shown, for metrics; of the process that makes them. */
export interface SelfCheckState {
  /** Seconds since the last complete check of the ledger where that is longest ago; undefined: another process makes them, or there are none. */
  readonly ageSeconds: number | undefined
  /** Faults that the last check of each ledger found. */
  readonly faults: ReadonlyMap<FaultKind, number>
}

export interface SelfCheck {
  start(): void
  /** Calls off what is under way; it is made again by whoever comes next. */
  stop(): Promise<void>
  state(): SelfCheckState
}

interface Note {
  /** When its last complete check was, or since when it is known here; milliseconds since the epoch. */
  readonly since: number
  /** Undefined: not checked yet. */
  readonly checked: LedgerChecked | undefined
  /** Not checked again before this reading of the monotonic clock, after a failure. */
  readonly restUntil: number
}

const hourMs = 3_600_000
const pageSize = 200
/** Hours looked for at once in what a ledger says of its checks. */
const hoursAtOnce = 100
/** A ledger whose check failed is left alone for this long. */
const restMs = 600_000

const requestIdOf = (hour: number): string => `self-check ${hour}`

const lockStatement = `select pg_try_advisory_lock(hashtextextended('chartwarden self-check', 0)) as locked`
const unlockStatement = `select pg_advisory_unlock(hashtextextended('chartwarden self-check', 0))`

export const createSelfCheck = (options: SelfCheckOptions): SelfCheck => {
  const { check, ledger, pool, hours, now, clock, logger, entriesPerSecond = 10_000, tickMs = 60_000 } = options
  const notes = new Map<string, Note>()
  const stopping = new AbortController()
  const { signal } = stopping
  let working: Promise<void> | undefined

  /** The result of the newest check that is not due again; the last hours first, since most checks are found there. */
  const lastCheck = async (clinic: string): Promise<Note | undefined> => {
    const hour = Math.floor(now() / hourMs)
    for (let start = 0; start < hours && !signal.aborted; start += hoursAtOnce) {
      const back = Math.min(hoursAtOnce, hours - start)
      const ids = Array.from({ length: back }, (_, place) => checkEntryId(clinic, requestIdOf(hour - start - place)))
      const found = await ledger.find(clinic, ids)
      const id = ids.find((one) => found.has(one))
      const entry = id === undefined ? undefined : found.get(id)
      if (entry !== undefined) return { since: entry.recordedAt, checked: readChecked(entry), restUntil: 0 }
    }
    return undefined
  }

  const isDue = (note: Note | undefined): boolean => {
    if (note === undefined) return true
    if (clock.monotonic() < note.restUntil) return false
    return note.checked === undefined || Math.floor(now() / hourMs) - Math.floor(note.since / hourMs) >= hours
  }

  const make = async (clinic: string): Promise<Note> => {
    const requestId = requestIdOf(Math.floor(now() / hourMs))
    const provenance = { caller: 'chartwarden' }
    const wishes = { state: clinic !== systemLedger, projections: true }
    const running = check({
      clinic,
      wishes,
      cause: 'schedule',
      requestId,
      provenance,
      deadline: Number.POSITIVE_INFINITY,
      signal,
      entriesPerSecond,
    })
    let step = await running.next()
    while (step.done !== true) step = await running.next()
    const { size, faults, entry } = step.value
    if (faults.length > 0) {
      const named = faults.slice(0, 20).map(({ kind, revision, detail }) => ({ kind, revision: String(revision), detail }))
      logger.error(
        { event: 'ledger.damaged', clinic, size: String(size), faults: named },
        'a ledger is not as it was: deploy/runbooks/ledger-damaged.md',
      )
    } else logger.info({ event: 'ledger.intact', clinic, size: String(size) }, 'a ledger was checked and is as it was')
    const checked: LedgerChecked =
      entry === undefined
        ? {
            size: String(size),
            root: step.value.root.toString('base64'),
            result: 'damaged',
            faults: faults.map(({ kind, revision }) => ({ kind, revision: String(revision) })),
            compared: [],
            cause: 'schedule',
          }
        : readChecked(entry)
    return { since: now(), checked, restUntil: 0 }
  }

  /** One clinic's failure keeps nothing from the others. */
  const visit = async (clinic: string): Promise<void> => {
    const known = notes.get(clinic)
    if (!isDue(known)) return
    try {
      const last = await lastCheck(clinic)
      if (signal.aborted) return
      notes.set(clinic, last ?? (await make(clinic)))
    } catch (error) {
      if (signal.aborted) return
      notes.set(clinic, { since: known?.since ?? now(), checked: known?.checked, restUntil: clock.monotonic() + restMs })
      logger.warn({ event: 'ledger.not_checked', clinic, err: error }, 'a ledger could not be checked; it is tried again')
    }
  }

  const visitAll = async (): Promise<void> => {
    await visit(systemLedger)
    for (let after = ''; !signal.aborted; ) {
      const page = await ledger.clinics(after, pageSize)
      for (const clinic of page) {
        if (signal.aborted) return
        await visit(clinic)
      }
      if (page.length < pageSize) return
      after = page.at(-1) as string
    }
  }

  const round = (): Promise<void> =>
    lendConnection(pool, undefined, async (client) => {
      const { rows } = await client.query<{ locked: boolean }>(lockStatement)
      if (rows[0]?.locked !== true) return notes.clear()
      try {
        await visitAll()
      } finally {
        await client.query(unlockStatement)
      }
    })

  const run = async (): Promise<void> => {
    // Whoever has just started has other things to do.
    await pause(tickMs, signal)
    while (!signal.aborted) {
      try {
        await round()
      } catch (error) {
        if (!signal.aborted) logger.warn({ event: 'ledger.checks_stalled', err: error }, 'ledgers could not be checked; it is tried again')
      }
      await pause(tickMs, signal)
    }
  }

  return {
    start: () => {
      working ??= run()
    },
    stop: async () => {
      stopping.abort()
      await working
    },
    state: () => {
      const since = [...notes.values()].map((note) => note.since)
      const faults = new Map<FaultKind, number>()
      for (const { checked } of notes.values()) {
        for (const { kind } of checked?.faults ?? []) faults.set(kind as FaultKind, (faults.get(kind as FaultKind) ?? 0) + 1)
      }
      return { ageSeconds: since.length === 0 ? undefined : Math.max(0, (now() - Math.min(...since)) / 1_000), faults }
    },
  }
}
