import type { NoteSignature, VerifierKey } from './note.ts'

/** A clinic's key for its log. It signs for every origin of the clinic; the private part stays inside. */
export interface LogKey {
  /** The public part, under the origin as its name. */
  verifierKey(origin: string): VerifierKey
  /** Ed25519 (type 0x01) over a note's text. */
  sign(text: string, origin: string): NoteSignature
  /** By the clock of the database, milliseconds since the epoch. */
  readonly createdAt: number
  /** Signs beside the newer key until then, milliseconds since the epoch; undefined for the newest. */
  readonly retiresAt?: number
}

/** The keys that clinics' logs are signed with. */
export interface LogKeys {
  /**
   * Those that sign now, the newest first; a checkpoint carries a signature of each. The first key of a clinic is made by whoever asks
   * first; replicas agree on it. Empty for a clinic that is not registered.
   */
  current(clinic: string): Promise<readonly LogKey[]>
  /** The same for many clinics with one statement, so that whoever publishes does not stand before the appends with one for each. */
  currentOf(clinics: readonly string[]): Promise<ReadonlyMap<string, readonly LogKey[]>>
  /** Those and the retired ones, the newest first: a log that has not grown since carries the signatures of that time. */
  known(clinic: string): Promise<readonly LogKey[]>
  /**
   * Makes a key that does not sign yet, or gives the one made under this id before. Undefined for a clinic that is not registered.
   * `id`: UUID of the entry that will name it.
   */
  prepare(clinic: string, id: string): Promise<LogKey | undefined>
  /**
   * From now on the prepared key signs, and those named by earlier entries retire then (milliseconds since the epoch), or as early as they
   * would have anyway. `revision` of the entry that names the key. Again: changes nothing.
   */
  activate(clinic: string, id: string, named: { readonly revision: bigint; readonly retireOthersAt: number }): Promise<void>
}
