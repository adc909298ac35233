/** What a check of a ledger can find. The kinds are published (docs/reference/verification.md) and stand in entries: none changes its meaning. */

/** Kind → what it says, in one sentence. */
export const faultKinds = {
  entry_changed: 'An entry is not the one that was signed.',
  entry_missing: 'An entry that was signed is not there.',
  entry_inserted: 'An entry is there that was not signed at this place.',
  entries_reordered: 'An entry stands at another place than the one it was signed at.',
  entry_of_another_clinic: 'An entry stands in a ledger that it does not belong to.',
  entry_columns_changed: 'What the database says about an entry differs from the entry itself.',
  ledger_truncated: 'The newest entries are gone; the database itself still says that there were more.',
  ledger_rolled_back: 'The newest entries are gone, and with them every trace in the database: an older copy of it is in use.',
  key_replaced: 'Checkpoints are signed with a key that nothing proves to be of this log.',
  checkpoint_invalid: 'A checkpoint is not what it should be, or its signature does not fit.',
  checkpoint_inconsistent: 'Two checkpoints of one log cannot both be true.',
  tile_changed: 'A kept hash of the tree is not the one that was signed; proofs made from it will not verify.',
  snapshot_changed: 'A kept state differs from what the entries say.',
  read_model_changed: 'What reports are answered from differs from what the entries say.',
  receipt_invalid: 'A receipt does not prove what it should.',
  file_changed: 'An evidence bundle is not the file that was written.',
} as const satisfies Record<string, string>

export type FaultKind = keyof typeof faultKinds

export const isFaultKind = (text: string): text is FaultKind => Object.hasOwn(faultKinds, text)

/** Something that is not as it was. */
export interface Fault {
  readonly kind: FaultKind
  readonly clinic: string
  /** First revision it concerns. */
  readonly revision: bigint
  /** Last revision it may concern; the same where it is known exactly. */
  readonly lastRevision: bigint
  /** `time` of the entry found at the first revision, as it stands in it; undefined where none is there or its bytes tell none. */
  readonly time?: string | undefined
  /** In words, without identifiers of people. */
  readonly detail: string
}
