/** What the engine needs of KurrentDB, in its own words: the client is known to one file only (open-streams.ts). */

/** What the client gives as metadata, or is given; our names never begin with `$`. */
export interface EventMetadata {
  readonly [name: string]: string | number | boolean
}

export interface NewEvent {
  /** UUID; drawn anew for each try to append, and kept when that try is sent again. */
  readonly id: string
  readonly type: string
  readonly data: Uint8Array
  readonly metadata: EventMetadata
}

export interface StreamEvent {
  readonly id: string
  readonly stream: string
  /** Zero-based. */
  readonly revision: bigint
  readonly type: string
  readonly data: Uint8Array
  /** Whatever was written there. */
  readonly metadata: unknown
}

/** A place in the order of all streams: both numbers are needed to go on from it. */
export interface Place {
  readonly commit: bigint
  readonly prepare: bigint
}

export type Appended =
  | { readonly kind: 'stored' }
  /** The stream's last revision is another one: nothing was stored, and this very append never will be, unless it had been before. */
  | { readonly kind: 'conflict' }
  /** The server does not take it; nothing was stored. */
  | { readonly kind: 'refused'; readonly cause: Error }
  /** It may be stored, now or later. */
  | { readonly kind: 'unknown'; readonly cause: Error }

/** What has come since, and the place up to which everything was looked at: there are events in it, or none of those followed. */
export interface Followed {
  readonly events: readonly StreamEvent[]
  readonly place: Place
}

export interface KurrentStreams {
  /** All of the events or none, behind the event of revision `after` (-1n: the stream does not exist yet). Never throws. */
  append(stream: string, events: readonly NewEvent[], after: bigint): Promise<Appended>
  /**
   * Events in order from a revision on, as the leader has them; fewer than `most` where the stream ends, none where there is no such stream.
   * Throws LEDGER_UNAVAILABLE.
   */
  read(stream: string, from: bigint, most: number): Promise<readonly StreamEvent[]>
  /**
   * As `read`, after a pause and by a connection of its own: for what the leader should have had and did not, since one that has just been
   * deposed may answer yet.
   */
  readAnew(stream: string, from: bigint, most: number): Promise<readonly StreamEvent[]>
  /**
   * Makes a stream that does not exist yet one that nobody but an administrator may delete, cut or open. Throws LEDGER_UNAVAILABLE, also where
   * somebody has given it other rights.
   */
  protect(stream: string): Promise<void>
  /**
   * Events of all streams whose names begin so, in one order, from after the place (undefined: the beginning), and what comes, until the signal
   * aborts. Throws LEDGER_UNAVAILABLE when it is cut off, or nothing was heard for `silenceMs`.
   */
  follow(prefix: string, from: Place | undefined, silenceMs: number, signal: AbortSignal): AsyncIterable<Followed>
  close(): Promise<void>
}
