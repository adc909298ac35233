/** A key of a clinic's log as it is kept. */
export interface StoredLogKey {
  /** UUID. */
  readonly id: string
  /** The private part, under the master key. */
  readonly wrapped: Uint8Array
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** By the clock of the store, milliseconds since the epoch. */
  readonly createdAt: number
}

export interface ActiveLogKey extends StoredLogKey {
  /** Undefined for the newest. Milliseconds since the epoch. */
  readonly retiresAt: number | undefined
}

export type NewLogKey = Omit<StoredLogKey, 'createdAt'>

export interface LogKeyActivation {
  /** Which key is newer: the revision of the entry that names it; -1 for the first, which none names. */
  readonly ordinal: bigint
  /** Milliseconds since the epoch; undefined: there are no others. */
  readonly retireOthersAt?: number
}

/** Where the keys of logs are kept. Every write is insert-if-absent and answers what is stored, so that replicas agree; nothing is changed. */
export interface LogKeyStore {
  /** Of each clinic that has some those that were activated, the newest first; retired ones are there too. One statement for all of them. */
  active(clinics: readonly string[]): Promise<ReadonlyMap<string, readonly ActiveLogKey[]>>
  /** Undefined: the clinic has no keys of its own, so that it is not one. */
  put(clinic: string, key: NewLogKey): Promise<StoredLogKey | undefined>
  activate(clinic: string, id: string, activation: LogKeyActivation): Promise<void>
}
