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
