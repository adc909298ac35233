/** What is wrong with a backup, or keeps one from being made. */
export const backupFaults = [
  /** There is no backup, or none of that number. */
  'none',
  /** It is of a format that this release does not read. */
  'format',
  /** A manifest is not what this installation wrote: another installation's, made up, or changed. */
  'foreign',
  /** Manifests do not follow one another: one is missing, stands in another's place, or does not name the one before. */
  'chain',
  /** A segment that a manifest names is not there. */
  'missing',
  /** A segment is shorter or longer than its manifest says, or its bytes are other ones. */
  'changed',
  /** None of the identities given opens it. */
  'identity',
  /** What stands in a segment is not what its manifest says of it. */
  'content',
  /** A ledger in it is not the one that was signed. */
  'not_as_signed',
  /** The ledger is not the one that was backed up last: it ends before that, or has another entry there. */
  'ledger_differs',
  /** Another process was making a backup at the same time, and was first. */
  'overtaken',
] as const

export type BackupFault = (typeof backupFaults)[number]

/** In words, for whoever keeps or restores backups; never carries a secret. */
export class BackupError extends Error {
  readonly fault: BackupFault

  constructor(fault: BackupFault, message: string, options: ErrorOptions = {}) {
    super(message, options)
    this.name = 'BackupError'
    this.fault = fault
  }
}
