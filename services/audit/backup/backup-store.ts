/**
 * Where backups are kept: whole objects under a name. What is written stays as it is until it is removed; nothing is ever written over, so
 * that whoever may only add can harm no backup that is there.
 */

/** Parts of lower-case letters, digits, `.` and `-`, with `/` between them; 200 characters at most. */
export const objectName = /^(?=.{1,200}$)[a-z0-9][a-z0-9.-]*(?:\/[a-z0-9][a-z0-9.-]*)*$/

export interface BackupStore {
  /** For the operator and the log: where it is. Never carries a secret. */
  readonly where: string
  /** Names that begin so, in order of name (by their bytes). */
  list(prefix: string): Promise<readonly string[]>
  /** Undefined: there is none of that name. */
  read(name: string): Promise<Buffer | undefined>
  /**
   * All of it or nothing, durable once it resolves. `exists`: there is one of that name, which is left as it is. Rejects where neither is
   * known, e.g. because the connection broke: read it to find out.
   */
  write(name: string, bytes: Uint8Array): Promise<'written' | 'exists'>
  /** As good when there is none of that name. */
  remove(name: string): Promise<void>
}
