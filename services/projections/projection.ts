import type { AccessEvent, EventType } from '../access/events.ts'
import type { StoredEntry } from '../audit/ledger.ts'
import type { ProjectionTransaction } from './database.ts'

/** An event together with the entry that carries it. */
export interface ProjectedEvent<T extends EventType = EventType> {
  readonly clinic: string
  readonly entry: StoredEntry
  readonly event: Extract<AccessEvent, { readonly type: T }>
}

/** One table of a read model, without a schema: it lives in the schema of its projection's generation, found by the search path. */
export interface ReadModelTable {
  /** Unique over all projections, e.g. `access_history`. */
  readonly name: string
  /** What stands between the parentheses of `create table`, the primary key included; every key leads with `clinic`. */
  readonly columns: string
  /** Name → what stands after `on <table>`, e.g. `(clinic, kind, occurred_at, revision)`. Made after loading when a read model is built anew. */
  readonly indexes: Readonly<Record<string, string>>
  /** What the runner may do with the rows. */
  readonly feed: 'select, insert' | 'select, insert, update'
  /** Whether reports may read the rows of the clinic they are about. */
  readonly query: 'readable' | 'hidden'
}

export interface ProjectionOf<T extends EventType> {
  /** Lower-case words joined by `_`. */
  readonly name: string
  /** Raised whenever the same entries would give other rows, or the tables change: then the read model is built anew beside the old one. */
  readonly version: number
  /** Events of other types are not handed to it. */
  readonly types: readonly T[]
  readonly tables: readonly ReadModelTable[]
  /**
   * Names of projections whose tables `apply` reads. They are at the same place of the feed or further: rows written, or changed, by entries of
   * later revisions must be ignored by comparing revisions, or a read model built anew would differ.
   */
  readonly reads?: readonly string[]
  /**
   * The rows of an entry are the same whichever others came before it, and change none of theirs: an entry that could not be read can be applied
   * later. Defaults to false: then the read model is built anew for it.
   */
  readonly independent?: boolean
  /** Earlier versions whose tables this release's reports can read while this one is being built. Defaults to none. */
  readonly readable?: readonly number[]
  /**
   * Writes within the runner's transaction, which also moves the checkpoint; tables go by their names alone. Throws TypeError or RangeError for
   * an entry whose content it cannot read; the runner then applies the entries one by one and parks that one.
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
