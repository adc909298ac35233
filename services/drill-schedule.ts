/**
 * Drills, again and again, by one process of an installation at a time. When the last one was stands in the operator's ledger: the id of its
 * entry follows from the hour, so that neither a restart nor another process repeats or forgets one.
 */
import type { Pool } from 'pg'
import type { BackupDrilled } from './access/events.ts'
import { entryTime } from './audit/entry.ts'
import { type Ledger, type StoredEntry, systemLedger } from './audit/ledger.ts'
import type { DrillOutcome } from './backup-drill.ts'
import type { Clock } from './kernel/clock.ts'
import type { Logger } from './kernel/logging.ts'
import { pause } from './kernel/pause.ts'
import { lendConnection } from './kernel/postgres/lend-connection.ts'
import { type DrillRequest, drillEntryId, readDrilled } from './record-drill.ts'

export const drillResults = ['restored', 'failed', 'not_made'] as const

/** `not_made`: it could not be tried. */
export type DrillResult = (typeof drillResults)[number]

export interface DrillScheduleOptions {
  readonly drill: (signal: AbortSignal) => Promise<DrillOutcome>
  readonly record: (outcome: DrillOutcome, request: DrillRequest) => Promise<StoredEntry>
  readonly ledger: Pick<Ledger, 'find'>
  /** Of the feed role: one connection of it is kept while a drill is under way. */
  readonly pool: Pool
  /** Between two drills, at least 1; after one that failed at most 24. */
  readonly hours: number
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  readonly clock: Clock
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Told of each drill that was made and recorded. Must not throw. */
  readonly onDrilled?: ((result: DrillResult) => void) | undefined
  /** Between two looks at what is due, in milliseconds. Defaults to 60,000. */
  readonly tickMs?: number
}

export interface DrillState {
  /** Seconds since a backup was last restored and verified; where none was lately, since this process looks. */
  readonly ageSeconds: number
  /** Of the last drill; undefined: none is known. */
  readonly last: BackupDrilled | undefined
}

export interface DrillSchedule {
  start(): void
  /** Calls off what is under way; it is made again by whoever comes next. */
  stop(): Promise<void>
  state(): DrillState
}

const hourMs = 3_600_000
/** Hours looked for at once in what the ledger says of drills. */
const hoursAtOnce = 100
/** One that failed is made again after this many hours at the latest: somebody is mending what is wrong with it, or should be. */
const failedHours = 24
/** One that could not be made is tried again after this long. */
const restMs = 600_000

const requestIdOf = (hour: number): string => `drill ${hour}`

const lockStatement = `select pg_try_advisory_lock(hashtextextended('chartwarden drill', 0)) as locked`
const unlockStatement = `select pg_advisory_unlock(hashtextextended('chartwarden drill', 0))`

export const createDrillSchedule = (options: DrillScheduleOptions): DrillSchedule => {
  const { drill, record, ledger, pool, hours, now, clock, logger, onDrilled, tickMs = 60_000 } = options
  const stopping = new AbortController()
  const { signal } = stopping
  let restored = now()
  let last: { readonly at: number; readonly drilled: BackupDrilled } | undefined
  let restUntil = Number.NEGATIVE_INFINITY
  let working: Promise<void> | undefined

  const note = (entry: StoredEntry): void => {
    const drilled = readDrilled(entry)
    const at = Date.parse(entryTime(entry.bytes))
    last = { at, drilled }
    if (drilled.result === 'restored') restored = at
  }

  /** What the ledger says of the last drills: all that may still count, up to the last that came back; the last hours first, since most are found there. */
  const lookBack = async (): Promise<void> => {
    const hour = Math.floor(now() / hourMs)
    const found: StoredEntry[] = []
    for (let start = 0; start < 2 * hours && !signal.aborted; start += hoursAtOnce) {
      const back = Math.min(hoursAtOnce, 2 * hours - start)
      const ids = Array.from({ length: back }, (_, place) => drillEntryId(requestIdOf(hour - start - place)))
      const entries = await ledger.find(systemLedger, ids)
      found.push(...ids.flatMap((id) => entries.get(id) ?? []))
      if (found.some((entry) => readDrilled(entry).result === 'restored')) break
    }
    for (const entry of found.reverse()) note(entry)
  }

  const isDue = (): boolean => {
    if (last === undefined) return true
    const after = last.drilled.result === 'failed' ? Math.min(hours, failedHours) : hours
    return Math.floor(now() / hourMs) - Math.floor(last.at / hourMs) >= after
  }

  const make = async (): Promise<void> => {
    const requestId = requestIdOf(Math.floor(now() / hourMs))
    const outcome = await drill(signal)
    if (signal.aborted) return
    const { manifest, fault, durationMs } = outcome
    const facts = { backup: manifest?.number, entries: String(outcome.entries), durationMs: Math.round(durationMs) }
    if (fault === undefined) logger.info({ event: 'backup.drilled', ...facts }, 'a backup was restored and is as it was signed')
    else logger.error({ event: 'backup.not_restorable', ...facts, fault: fault.fault }, `${fault.message} deploy/runbooks/drill-failed.md`)
    note(await record(outcome, { requestId, cause: 'schedule' }))
    onDrilled?.(fault === undefined ? 'restored' : 'failed')
  }

  const look = (): Promise<void> =>
    lendConnection(pool, undefined, async (client) => {
      const { rows } = await client.query<{ locked: boolean }>(lockStatement)
      if (rows[0]?.locked !== true) return
      try {
        await lookBack()
        if (isDue() && !signal.aborted) await make()
      } finally {
        await client.query(unlockStatement)
      }
    })

  const run = async (): Promise<void> => {
    // Whoever has just started has other things to do.
    await pause(tickMs, signal)
    while (!signal.aborted) {
      try {
        if (isDue() && clock.monotonic() >= restUntil) await look()
      } catch (error) {
        if (signal.aborted) return
        restUntil = clock.monotonic() + restMs
        onDrilled?.('not_made')
        logger.warn({ event: 'backup.not_drilled', err: error }, 'whether a backup can be restored could not be tried; it is tried again')
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
    state: () => ({ ageSeconds: Math.max(0, (now() - restored) / 1_000), last: last?.drilled }),
  }
}
