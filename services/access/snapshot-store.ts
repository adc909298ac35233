/**
 * Where sealed snapshots of folded states are kept: one for each clinic. They are a convenience: losing one, or all, costs the time to fold
 * the ledger again and nothing else.
 */

/** A snapshot as it is kept. Nothing of it is believed before the vault has opened it for this clinic, format and revision. */
export interface StoredSnapshot {
  /** Of what is sealed. */
  readonly format: number
  /** Revision of the last state-changing entry that is folded into it. */
  readonly stateRevision: bigint
  readonly sealed: Uint8Array
}

export interface SnapshotStore {
  /** Undefined when there is none. */
  read(clinic: string): Promise<StoredSnapshot | undefined>
  /**
   * Keeps a snapshot if it is of a higher revision than the one there, or if the one there is of the revision and format `instead`, which
   * did not open. Whether it was kept.
   */
  write(clinic: string, snapshot: StoredSnapshot, instead?: Pick<StoredSnapshot, 'format' | 'stateRevision'>): Promise<boolean>
}
