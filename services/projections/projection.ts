import type { AccessEvent, EventType } from '../access/events.ts'
import type { StoredEntry } from '../audit/ledger.ts'
import type { ProjectionTransaction } from './database.ts'

/** An event together with the entry that carries it. */
export interface ProjectedEvent<T extends EventType = EventType> {
  readonly clinic: string
  readonly entry: StoredEntry
  readonly event: Extract<AccessEvent, { readonly type: T }>
}

interface ProjectionOf<T extends EventType> {
  readonly name: string
  /** Raised whenever the same entries would give other rows: then the read model must be built anew. */
  readonly version: number
  /** Events of other types are not handed to it. */
  readonly types: readonly T[]
  /**
   * Writes within the runner's transaction, which also moves the checkpoint. Throws TypeError or RangeError for an entry whose content it
   * cannot read; the runner then applies the entries one by one and parks that one.
   */
  apply(transaction: ProjectionTransaction, events: readonly ProjectedEvent<T>[]): Promise<void>
}

/**
 * Turns entries into the rows of one read model. It sees each entry exactly once and the entries of one clinic in order of revision, many
 * clinics and many entries at a time; the rows are the same however the entries are cut into batches.
 */
export type Projection = ProjectionOf<EventType>

/** A projection written for the types it names. */
export const defineProjection = <T extends EventType>(definition: ProjectionOf<T>): Projection => definition as unknown as Projection
