/** The transparency logs of an installation: what seals them, what reads them, and how they stand. */
import type { Pool } from 'pg'
import type { ClinicGate } from '../../kernel/clinic-gate.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { SigningSettings } from '../../kernel/config.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { Logger } from '../../kernel/logging.ts'
import type { Ledger, LedgerEngine } from '../ledger.ts'
import type { Vault } from '../vault.ts'
import { createRestartAnnouncement } from './announce-restart.ts'
import { createDirectorySignerStore } from './directory-signer-store.ts'
import { findBehindBoth, findBehindHalts, findBehindStore } from './find-behind.ts'
import { fromPool } from './lend.ts'
import type { LogKeys } from './log-keys.ts'
import { createHandOutNote, type LogStatus, readLogStatus } from './log-status.ts'
import type { LogReader, LogWriter } from './log-store.ts'
import { createPostgresLogReader } from './postgres-log-reader.ts'
import { createPostgresLogWriter } from './postgres-log-writer.ts'
import { createPublications } from './publications.ts'
import { createRegressionGuard } from './regression-guard.ts'
import { createSealer, type SealerState } from './sealer.ts'
import { createSignerFiles } from './signer/signer-files.ts'
import type { SignerRecord } from './signer-store.ts'
import { standingsOf } from './standing.ts'
import type { SealerObserver } from './tenure.ts'
import { createWitnessInquiry } from './witness-inquiry.ts'
import type { WitnessPolicy } from './witness-policy.ts'

export interface LogOptions {
  /** Undefined: nothing is signed here. Logs that another process of the installation signs are read all the same. */
  readonly signing: SigningSettings | undefined
  /** Whether this process signs, with `signing`; false: another process that has the same signer store does. */
  readonly seals: boolean
  /** Whether another process does, without `signing`: what that one finds of ledgers that went back holds here too. */
  readonly signedElsewhere: boolean
  readonly feedPool: Pool
  readonly queryPool: Pool
  readonly queryGate: ClinicGate
  readonly engine: Pick<LedgerEngine, 'leaves' | 'leafHashes' | 'end' | 'distance' | 'head'>
  /** Before the guard that is made here. */
  readonly ledger: Pick<Ledger, 'append'>
  readonly vault: Pick<Vault, 'clinic'>
  readonly keys: LogKeys
  readonly clock: Clock
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  readonly logger: Logger
  readonly observer?: SealerObserver | undefined
  /** Whose witnesses are asked before a log is first signed on; undefined: there are none. */
  readonly witnessPolicy?: WitnessPolicy | undefined
}

export interface Log {
  /** Of this process. `elsewhere`: another process signs; `off`: nothing is signed. */
  readonly state: SealerState | 'elsewhere' | 'off'
  readonly reader: LogReader
  /** Beside the sealer, without its right to write. */
  readonly writer: Pick<LogWriter, 'page' | 'addCosignatures'>
  readonly keys: LogKeys
  /** Refuses appends to ledgers that end before what was signed of them. */
  guard(ledger: Ledger): Ledger
  /** Throws LEDGER_REGRESSED for a clinic whose ledger ends before what was signed of it. */
  requireServed(clinic: string): void
  /** What was signed last for the clinic's log, by the signer store; undefined: nothing was, or none is configured here. */
  signed(clinic: string): Promise<SignerRecord | undefined>
  /** Compares every ledger with what was signed: before serving. Throws StartError where the signer store cannot be used. */
  check(): Promise<void>
  /** Begins to seal, or to wait for it; only where `seals`. */
  start(): void
  /** Stops sealing; reading goes on. */
  stop(): Promise<void>
  status(): Promise<LogStatus>
  /** A checkpoint was handed to a caller, who may remember it. Returns at once. */
  handedOut(): void
  close(): Promise<void>
}

const installationOf = async (pool: Pool): Promise<string> => {
  const { rows } = await pool.query<{ installation: string }>('select installation from chartwarden_log.sealer')
  return rows[0]?.installation ?? ''
}

/** What signs, if anything does. */
const createSigning = async (options: LogOptions, signing: SigningSettings, reader: LogReader) => {
  const { seals, engine, feedPool, randomness, clock, logger, keys, observer, witnessPolicy } = options
  const base = signing.logOrigin
  const entries = async (clinic: string): Promise<bigint> => ((await engine.head(clinic))?.revision ?? -1n) + 1n
  const installation = await installationOf(feedPool)
  const store = createDirectorySignerStore({ files: createSignerFiles(signing.signerDir, randomness), installation })
  const findBehind = findBehindStore({ store, base, entries })
  const guard = createRegressionGuard(
    seals
      ? { findBehind, watches: false, logger }
      : { findBehind: findBehindBoth(findBehind, findBehindHalts(feedPool)), watches: true, logger },
  )
  const sealer = createSealer({
    pool: feedPool,
    store,
    feed: engine,
    keys,
    base,
    entries,
    announceRestart: createRestartAnnouncement(options),
    onHaltsChanged: () => {
      guard.check().catch((error: unknown) => logger.warn({ event: 'log.check_failed', err: error }, 'ledgers could not be compared'))
    },
    clock,
    logger,
    observer,
    inquire: witnessPolicy && createWitnessInquiry({ policy: witnessPolicy, reader, clock }),
    publishIntervalMs: signing.publishIntervalMs,
  })
  const signed = async (clinic: string) => standingsOf(await store.read(), base).standing(clinic).signed
  return { guard, sealer, signed }
}

export const createLog = async (options: LogOptions): Promise<Log> => {
  const { signing, seals, signedElsewhere, feedPool, queryPool, queryGate, engine, clock, keys, logger } = options
  const publications = createPublications({ pool: feedPool })
  const reader = createPostgresLogReader({ pool: queryPool, publications, gate: queryGate, clock })
  const signer = signing === undefined ? undefined : await createSigning(options, signing, reader)
  const elsewhere = signedElsewhere ? createRegressionGuard({ findBehind: findBehindHalts(feedPool), watches: true, logger }) : undefined
  const guard = signer?.guard ?? elsewhere
  return {
    get state() {
      if (signer === undefined) return signedElsewhere ? 'elsewhere' : 'off'
      return seals ? signer.sealer.state : 'elsewhere'
    },
    reader,
    writer: createPostgresLogWriter({ lend: fromPool(feedPool) }),
    keys,
    guard: (ledger) => guard?.ledger(ledger) ?? ledger,
    requireServed: (clinic) => guard?.requireServed(clinic),
    signed: async (clinic) => signer?.signed(clinic),
    check: async () => guard?.check(),
    start: () => signer?.sealer.start(),
    stop: async () => {
      guard?.close()
      await signer?.sealer.stop()
    },
    status: () => readLogStatus({ pool: feedPool, feed: engine }),
    handedOut: createHandOutNote(feedPool),
    close: () => publications.close(),
  }
}
