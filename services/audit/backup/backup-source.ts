/** Where what is backed up comes from: the databases of an installation. */
import type { EntryRecord, KeyRecord, LogRecord } from './backup-format.ts'

/** One moment of an installation: what is recorded up to it does not change any more. */
export interface BackupMoment {
  readonly installation: string
  /** Ledger time, milliseconds since the epoch. */
  readonly at: number
  /** Position of the last entry; 0: there is none. */
  readonly position: bigint
  /** Every ledger, in order of clinic, the operator's own among them; one that is open but empty has size 0. */
  readonly heads: readonly { readonly clinic: string; readonly size: bigint; readonly stateRevision: bigint }[]
  /** In order: the sealer, then by clinic its log, its checkpoints and their cosignatures. */
  readonly logs: readonly LogRecord[]
}

/** Faults are LEDGER_UNAVAILABLE with their cause. */
export interface BackupSource {
  /** Seen in one transaction, so that no checkpoint is of entries that are not there. */
  moment(): Promise<BackupMoment>
  /** Entries behind `from` up to `to`, in order of position, in pages. Throws INTERNAL where one is missing. */
  entries(from: bigint, to: bigint): AsyncIterable<readonly EntryRecord[]>
  /**
   * Keys of a clinic as they are now: its own, those of identities in order of pseudonym, those of its log with their activations. Read
   * after its entries, it holds every key that they need.
   */
  keys(clinic: string): AsyncIterable<readonly KeyRecord[]>
}
