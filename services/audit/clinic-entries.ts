import type { Wanted } from '../kernel/clinic-gate.ts'
import type { StoredEntry } from './ledger.ts'

/**
 * Entries for people, one clinic at a time, through row security of that clinic. Each page waits for the clinic's turn: throws OVERLOADED
 * when too much of the clinic waits already, DEADLINE_EXCEEDED or CALL_CANCELLED when it is wanted no more.
 */
export interface ClinicEntries {
  /** Entries `from` to `to`, both inclusive, in order; stops at the head. */
  read(clinic: string, from: bigint, to: bigint, wanted?: Wanted): AsyncIterable<StoredEntry>
  /** The entries of these ids that exist, by id. */
  find(clinic: string, ids: readonly string[], wanted?: Wanted): Promise<ReadonlyMap<string, StoredEntry>>
}

/** The rows of a ledger as they stand in the database, for looking whether they are as they should be. */
export interface ClinicRows {
  /** At most `limit` entries in order of revision, from that one on. A revision that is missing is no fault here. */
  rows(clinic: string, from: bigint, limit: number, wanted?: Wanted): Promise<readonly StoredEntry[]>
}

/** Looking through a whole ledger, which costs as much as the ledger is long: it takes the turns of heavy work. */
export interface ClinicScan {
  /** Entries `from` to `to`, both inclusive, whose bytes hold all of these texts (ASCII; at least one), in order. Stops at the head. */
  holding(clinic: string, texts: readonly string[], from: bigint, to: bigint, wanted: Wanted): AsyncIterable<StoredEntry>
}
