import type { Generated } from 'kysely'

/** What moves through the feed together: its place there belongs to every member. */
export interface LanesTable {
  readonly lane: Generated<string>
  /** Null at the beginning. */
  readonly position: string | null
  /** Changes with the members. */
  readonly epoch: Generated<string>
  /** Of the last entry applied. */
  readonly recorded_at: Date | null
  /** Over the last seconds before it was written. */
  readonly entries_per_second: Generated<number>
  /** Of what is being built: how much of the ledgers is in it, between 0 and 1, and how long the rest would take. */
  readonly share: Generated<number>
  readonly seconds_left: number | null
  readonly updated_at: Generated<Date>
}

/**
 * `building`: loaded beside the others, read by nobody. `live`: reports read it. `retired`: replaced, kept for readers under way. `dropped`:
 * its tables are gone.
 */
export type GenerationState = 'building' | 'live' | 'retired' | 'dropped'

/** One set of tables of a projection, in a schema of its own. */
export interface GenerationsTable {
  readonly projection: string
  readonly generation: number
  readonly version: number
  readonly schema_name: string
  readonly state: GenerationState
  readonly lane: string | null
  /** Whether the indexes that loading leaves out are made. */
  readonly indexed: boolean
  /** Its parked entries are to be tried again. */
  readonly replay: boolean
  readonly started_at: Generated<Date>
  readonly switched_at: Date | null
  readonly retired_at: Date | null
  /** When a replica that writes and reads this version said so last. */
  readonly seen_at: Generated<Date>
}

/** How far the read models of a lane are complete for a clinic, written in the transaction that brought them there. */
export interface ClinicProgressTable {
  readonly lane: string
  readonly clinic: string
  readonly complete_to_revision: string
  readonly updated_at: Generated<Date>
}

/** Entries that a read model could not take: of an unknown type, or unreadable. Nothing is skipped without a row here. */
export interface ParkedTable {
  readonly projection: string
  readonly generation: number
  readonly clinic: string
  readonly revision: string
  readonly entry_id: string
  readonly type: string
  readonly reason: 'unknown_type' | 'unreadable'
  /** What failed, in codes; never content of the entry. */
  readonly detail: string
  /** Where the feed resumes so that the entry comes again. */
  readonly after_position: string | null
  readonly parked_at: Generated<Date>
}
