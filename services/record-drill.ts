/** What came out of restoring a backup for the sake of trying, as an entry of the operator's own ledger. */
import type { BackupDrilled } from './access/events.ts'
import { appendFinding } from './audit/append-finding.ts'
import { composeEntry } from './audit/compose-entry.ts'
import { entryId, openEnvelope } from './audit/entry.ts'
import { type Ledger, type StoredEntry, systemLedger } from './audit/ledger.ts'
import type { Vault } from './audit/vault.ts'
import type { DrillOutcome } from './backup-drill.ts'
import { canonicalJson } from './kernel/canonical-json.ts'
import type { Clock } from './kernel/clock.ts'
import type { Randomness } from './kernel/ids.ts'

const operation = 'drill_backup'

/** Id of the entry that records a drill. */
export const drillEntryId = (requestId: string): string => entryId(systemLedger, operation, requestId, 0)

export const readDrilled = ({ bytes }: Pick<StoredEntry, 'bytes'>): BackupDrilled => openEnvelope(bytes).data as unknown as BackupDrilled

export interface DrillRecorderOptions {
  readonly ledger: Pick<Ledger, 'append'>
  readonly vault: Pick<Vault, 'createClinic'>
  readonly clock: Clock
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

export interface DrillRequest {
  readonly requestId: string
  readonly cause: BackupDrilled['cause']
}

const drilled = ({ manifest, entries, bytes, clinics, durationMs, fault }: DrillOutcome, cause: BackupDrilled['cause']): BackupDrilled => ({
  ...(manifest === undefined ? {} : { backup: manifest.number, backed_up_at: new Date(manifest.createdAt).toISOString() }),
  entries: String(entries),
  bytes: String(bytes),
  clinics,
  duration_ms: Math.round(durationMs),
  result: fault === undefined ? 'restored' : 'failed',
  ...(fault === undefined ? {} : { fault: fault.fault }),
  cause,
})

/** Throws what the ledger throws. */
export const createDrillRecorder =
  ({ ledger, vault, clock, randomness, now }: DrillRecorderOptions) =>
  async (outcome: DrillOutcome, { requestId, cause }: DrillRequest): Promise<StoredEntry> => {
    const keys = await vault.createClinic(systemLedger)
    const entry = await composeEntry(keys, randomness, {
      clinic: systemLedger,
      id: drillEntryId(requestId),
      type: 'chartwarden.backup.drilled.v1',
      stateChanging: false,
      time: now(),
      provenance: { caller: 'chartwarden' },
      requestDigest: keys.requestDigest(canonicalJson({ operation, requestId })),
      data: { ...drilled(outcome, cause) },
    })
    return appendFinding({ ledger, clock }, systemLedger, entry)
  }
