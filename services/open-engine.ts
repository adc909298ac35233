/** Which engine holds the ledgers, and what follows from that. */

import type { ClinicEntries, ClinicRows, ClinicScan } from './audit/clinic-entries.ts'
import { createKurrentClinicReader } from './audit/engines/kurrent/clinic-reader.ts'
import { createKurrentEngine } from './audit/engines/kurrent/engine.ts'
import { requireLedgerPlace } from './audit/engines/ledger-place.ts'
import { createClinicReader } from './audit/engines/postgres/clinic-reader.ts'
import { createPostgresEngine } from './audit/engines/postgres/engine.ts'
import type { LedgerEngine } from './audit/ledger.ts'
import type { ClinicGate } from './kernel/clinic-gate.ts'
import type { Clock } from './kernel/clock.ts'
import type { Config } from './kernel/config.ts'
import type { Randomness } from './kernel/ids.ts'
import type { Logger } from './kernel/logging.ts'
import type { Databases } from './kernel/postgres/databases.ts'
import { StartError } from './kernel/start-error.ts'

export interface OpenEngineOptions {
  readonly config: Pick<Config, 'kurrentUrl'>
  readonly databases: Pick<Databases, 'writer' | 'feed' | 'query'>
  readonly clock: Clock
  readonly randomness: Randomness
  readonly logger: Logger
  /** Told of every append that another service's came before; must not throw. */
  readonly onConflict: (() => void) | undefined
}

export interface OpenEngine {
  readonly engine: LedgerEngine
  /** Bytes of entries that it takes in one batch; undefined: as many as the batcher gives it. */
  readonly maxBatchBytes: number | undefined
  readonly createReader: (gate: ClinicGate) => ClinicEntries & ClinicRows & ClinicScan
}

/** Throws StartError where the database's ledgers are with the other engine, or its client cannot be had. */
export const openEngine = async ({ config, databases, clock, randomness, logger, onConflict }: OpenEngineOptions): Promise<OpenEngine> => {
  const { writer, feed, query } = databases
  await requireLedgerPlace(writer, config.kurrentUrl === undefined ? 'postgres' : 'kurrent')
  if (config.kurrentUrl === undefined) {
    return {
      engine: createPostgresEngine({ writer, feed }),
      maxBatchBytes: undefined,
      createReader: (gate) => createClinicReader({ pool: query, gate, clock }),
    }
  }
  const engine = await createKurrentEngine({
    connectionString: config.kurrentUrl,
    writer,
    feed,
    clock,
    randomness,
    ...(onConflict === undefined ? {} : { onConflict }),
    onFault: (err) => logger.warn({ event: 'kurrentdb.following_failed', err }, 'the streams are not followed just now; it is tried again'),
  })
  await engine.prepare().catch(async (cause: unknown) => {
    await engine.close()
    throw new StartError('KurrentDB does not answer, or does not let this user in (CHARTWARDEN_KURRENTDB_URL).', { cause, mayPass: true })
  })
  return {
    engine,
    maxBatchBytes: engine.maxBatchBytes,
    createReader: (gate) => createKurrentClinicReader({ reader: engine.reader, pool: query, gate }),
  }
}
