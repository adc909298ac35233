/** Everything that serves published logs, wired. */
import { type ClinicGate, createClinicGate } from '../../../kernel/clinic-gate.ts'
import type { Clock } from '../../../kernel/clock.ts'
import type { ClinicEntries } from '../../clinic-entries.ts'
import type { Ledger } from '../../ledger.ts'
import type { LogKeys } from '../log-keys.ts'
import type { LogReader } from '../log-store.ts'
import { type AwaitCheckpoint, createAwaitCheckpoint } from '../serve/await-checkpoint.ts'
import { createFindEntry } from '../serve/find-entries.ts'
import { createProver } from '../serve/prove.ts'
import { createPublishedLog, type PublishedLog, type PublishedLogOptions } from '../serve/published-log.ts'
import { createBundleReadings, type RecordReading } from './bundle-readings.ts'
import { logHandlers } from './grpc-log-handlers.ts'
import type { LogHandlers } from './log-handlers.ts'
import { createLogRoutes } from './log-routes.ts'

export interface LogDoorsOptions extends Pick<PublishedLogOptions, 'policy' | 'signs' | 'onDamage'> {
  readonly reader: LogReader
  readonly keys: Pick<LogKeys, 'known'>
  readonly ledger: Pick<Ledger, 'head'>
  readonly entries: ClinicEntries
  /** Entries in the newest head that was signed for the clinic, by the signer store; undefined: it is not known here. */
  readonly signed: (clinic: string) => Promise<bigint | undefined>
  /** Told when a checkpoint or receipt is given out. */
  readonly handOut: () => void
  readonly clock: Clock
  /** Time for a request over HTTP, in milliseconds. */
  readonly defaultDeadlineMs: number
}

export interface LogDoors {
  readonly published: PublishedLog
  readonly awaitCheckpoint: AwaitCheckpoint
  readonly handlers: Omit<LogHandlers, 'checkLedger'>
  /** The routes, once there is something that records readings. */
  routes(recordReading: RecordReading): ReturnType<typeof createLogRoutes>
}

/** Bundles under way at once; each holds up to 16 MiB until its reader has taken it, and most of them a hundredth of that. */
const bundlePlaces = 32

const bundleGate = (clock: Clock): ClinicGate => createClinicGate({ places: bundlePlaces, clock })

export const createLogDoors = (options: LogDoorsOptions): LogDoors => {
  const { reader, keys, ledger, entries, signed, handOut, clock, defaultDeadlineMs } = options
  const log = createPublishedLog({
    ...options,
    verifierKeys: async (clinic, origin) => (await keys.known(clinic)).map((key) => key.verifierKey(origin)),
  })
  const awaitCheckpoint = createAwaitCheckpoint({ log, reader })
  return {
    published: log,
    awaitCheckpoint,
    handlers: logHandlers({
      log,
      prover: createProver(log),
      findEntry: createFindEntry({ entries, ledger, signed }),
      awaitCheckpoint,
      ledger,
      signed,
      handOut,
    }),
    routes: (record) =>
      createLogRoutes({
        log,
        entries,
        recordReading: createBundleReadings({ record, clock }),
        handOut,
        gate: bundleGate(clock),
        clock,
        defaultDeadlineMs,
      }),
  }
}
