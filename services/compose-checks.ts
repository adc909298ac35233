/** The part of the composition that checks ledgers: when somebody asks, and by schedule. */
import { changesState } from './access/changes-state.ts'
import { createPostgresSnapshotStore } from './access/snapshot/postgres-snapshot-store.ts'
import type { ClinicEntries, ClinicRows } from './audit/clinic-entries.ts'
import type { Ledger } from './audit/ledger.ts'
import { createCompareEntries } from './audit/log/compare-entries.ts'
import { checkLedgerHandler } from './audit/log/doors/check-ledger.ts'
import type { LogHandlers } from './audit/log/doors/log-handlers.ts'
import type { Log } from './audit/log/index.ts'
import type { Vault } from './audit/vault.ts'
import type { Clock } from './kernel/clock.ts'
import type { Config } from './kernel/config.ts'
import type { Randomness } from './kernel/ids.ts'
import type { Logger } from './kernel/logging.ts'
import type { Databases } from './kernel/postgres/databases.ts'
import { createLedgerCheck, type LedgerCheckOptions } from './ledger-check.ts'
import { allProjections } from './projections/all-projections.ts'
import { compareReadModels } from './projections/compare-read-models.ts'
import { createSelfCheck, type SelfCheck } from './self-check.ts'

export interface ComposeChecksOptions {
  readonly ledger: Ledger
  readonly log: Pick<Log, 'reader' | 'keys' | 'signed'>
  readonly entries: ClinicEntries & ClinicRows
  readonly databases: Pick<Databases, 'writer' | 'feed'>
  readonly vault: Vault
  readonly clock: Clock
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  readonly logger: Logger
  readonly onChecked: LedgerCheckOptions['onChecked']
  readonly config: Pick<Config, 'selfCheckHours'>
  /** As in the self-check. */
  readonly selfCheckTickMs?: number | undefined
}

export interface Checks {
  readonly checkLedger: LogHandlers['checkLedger']
  /** Undefined where none are made by schedule. */
  readonly selfCheck: SelfCheck | undefined
}

export const composeChecks = (options: ComposeChecksOptions): Checks => {
  const { ledger, log, entries, databases, vault, clock, randomness, now, logger, onChecked, config, selfCheckTickMs: tickMs } = options
  const { selfCheckHours: hours } = config
  const { check } = createLedgerCheck({
    ledger,
    compareEntries: createCompareEntries({
      rows: entries.rows,
      reader: log.reader,
      keys: log.keys,
      signed: log.signed,
      ledger,
      changesState,
    }),
    snapshots: createPostgresSnapshotStore({ pool: databases.writer }),
    compareReadModels: (clinic, passed, wanted) =>
      compareReadModels(clinic, { pool: databases.feed, entries, projections: allProjections, passed, wanted }),
    vault,
    clock,
    randomness,
    now,
    onChecked,
  })
  return {
    checkLedger: checkLedgerHandler({ check, randomness }),
    selfCheck:
      hours === 0
        ? undefined
        : createSelfCheck({ check, ledger, pool: databases.feed, hours, now, clock, logger, ...(tickMs === undefined ? {} : { tickMs }) }),
  }
}
