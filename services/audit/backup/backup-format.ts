/**
 * What a backup consists of: docs/reference/backup-format.md. A manifest names its segments and the manifest before it; a segment holds
 * records, a line of JSON each. Binary columns stand in base64, points in time as the database has them, to the microsecond.
 */

export const backupFormat = 'chartwarden backup v1'

export const segmentKinds = ['entries', 'keys', 'logs', 'clinics'] as const

/**
 * `entries`: of all ledgers, in the order of their positions. `keys`: of the vault, wrapped, all that there are. `logs`: generations, newest
 * checkpoints and cosignatures, all that there are. `clinics`: what each ledger is made of up to here; for the writer of the next backup.
 */
export type SegmentKind = (typeof segmentKinds)[number]

export interface Segment {
  readonly kind: SegmentKind
  /** In the store. */
  readonly name: string
  /** Of the object. */
  readonly bytes: number
  /** SHA-256 of the object, hexadecimal. */
  readonly sha256: string
  /** Lines. */
  readonly records: number
  /** SHA-256 of the lines, before they are compressed and encrypted; hexadecimal. */
  readonly contentSha256: string
}

export interface BackupManifest {
  /** From 1; one more than that of the backup before. */
  readonly number: number
  /** SHA-256 of the manifest before, hexadecimal; undefined: this is the first. */
  readonly previous: string | undefined
  /** An incremental one holds the entries behind those of the one before; a full one all of them. */
  readonly kind: 'full' | 'incremental'
  /** UUID of the installation's signer store. */
  readonly installation: string
  /** Ledger time, milliseconds since the epoch. */
  readonly createdAt: number
  /** Its entries are those behind this position… */
  readonly from: bigint
  /** …up to this one. */
  readonly to: bigint
  /** RFC 6962 leaf hash of the entry at `to`, base64; undefined: there is none. */
  readonly lastLeaf: string | undefined
  /** Ledgers, the operator's own among them. */
  readonly clinics: number
  /** In the order in which they are read. */
  readonly segments: readonly Segment[]
}

/** An entry with all columns of the ledger. */
export interface EntryRecord {
  readonly position: bigint
  readonly clinic: string
  readonly revision: bigint
  /** Milliseconds since the epoch, by the ledger's clock. */
  readonly recordedAt: number
  readonly id: string
  readonly type: string
  readonly stateChanging: boolean
  readonly requestDigest: Buffer
  readonly bytes: Buffer
}

/** `2026-01-31T08:15:30.123456Z` */
export type DatabaseTime = string

/** A row of schema `chartwarden_vault`; keys are wrapped by the master key, which is in no backup. */
export type KeyRecord =
  | {
      readonly kind: 'clinic_keys'
      readonly clinic: string
      readonly pseudonymKey: Buffer
      readonly digestKey: Buffer
      readonly createdAt: DatabaseTime
    }
  | {
      readonly kind: 'identity_key'
      readonly clinic: string
      readonly pseudonym: string
      /** Undefined: destroyed. */
      readonly wrappedKey: Buffer | undefined
      readonly commitment: string
      readonly createdAt: DatabaseTime
      readonly destroyedAt: DatabaseTime | undefined
    }
  | {
      readonly kind: 'log_key'
      readonly clinic: string
      readonly id: string
      readonly wrappedKey: Buffer
      readonly publicKey: Buffer
      readonly createdAt: DatabaseTime
    }
  | {
      readonly kind: 'log_key_activation'
      readonly clinic: string
      readonly id: string
      readonly ordinal: bigint
      readonly retireOthersAt: DatabaseTime | undefined
    }

/** A row of schema `chartwarden_log`, but for tiles, which follow from the entries. */
export type LogRecord =
  | { readonly kind: 'sealer'; readonly installation: string; readonly epoch: bigint; readonly handedOutAt: DatabaseTime | undefined }
  | {
      readonly kind: 'log'
      readonly clinic: string
      readonly generation: number
      readonly origin: string
      readonly size: bigint
      readonly halted: string | undefined
    }
  | {
      readonly kind: 'checkpoint'
      readonly clinic: string
      readonly generation: number
      readonly size: bigint
      readonly root: Buffer
      readonly note: string
      readonly publishedAt: DatabaseTime
    }
  | {
      readonly kind: 'cosignature'
      readonly clinic: string
      readonly generation: number
      readonly size: bigint
      readonly witness: string
      readonly line: string
      readonly addedAt: DatabaseTime
    }

/** What a ledger is made of up to a backup. */
export interface ClinicRecord {
  readonly clinic: string
  /** Entries. */
  readonly size: bigint
  readonly stateRevision: bigint
  /** Root of the tree of all of them (RFC 6962), 32 bytes. */
  readonly root: Buffer
  /** By level, from the leaves up: the hashes of its partial tile; what the tree grows on from. */
  readonly edge: readonly Buffer[]
}
