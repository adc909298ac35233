/**
 * The one holder of keys (docs/explanation/promises.md, "What an entry holds"). It makes pseudonyms and data keys, seals and opens; nothing
 * else knows a key. Losing an identity's data key erases that identity from ledger, read models and reports, while hashes and proofs still hold.
 */
import type { JsonValue } from '../kernel/canonical-json.ts'

/** HMAC-SHA-256 over kind, type and id under the clinic's pseudonym key; base64url without padding, 43 characters. */
export type Pseudonym = string & { readonly __pseudonym: unique symbol }

/**
 * `record`, `disclosure_series` and `report_staff` identities are only compared (shares name records, repeats are grouped, a patient's
 * reports tell staff apart); they never have a data key.
 */
export type IdentityKind = 'subject' | 'patient' | 'record' | 'disclosure_series' | 'report_staff'

export interface Identity {
  readonly kind: IdentityKind
  /** Subject type, resource type of a record; empty for a patient. */
  readonly type: string
  readonly id: string
}

/** `data.sealed` of an entry: AES-256-GCM. All base64url. */
export interface Sealed {
  /** Pseudonym of the identity whose data key sealed it. */
  readonly kid: Pseudonym
  readonly nonce: string
  readonly ct: string
}

/** Binds a sealed part to its place: used as associated data. */
export interface SealContext {
  readonly clinic: string
  readonly entryId: string
  readonly entryType: string
}

/** Binds a sealed state to its place and its meaning: used as associated data. */
export interface StateContext {
  readonly clinic: string
  /** Of what is inside; another one does not open. */
  readonly format: number
  readonly stateRevision: bigint
}

export interface KnownIdentity {
  readonly pseudonym: Pseudonym
  /** SHA-256 of a label and the data key, base64url: goes into `identity introduced`, so that a key handed out can be checked. */
  readonly commit: string
}

export type Opened = { readonly kind: 'opened'; readonly value: JsonValue } | { readonly kind: 'key_destroyed' }

/** The keys of one clinic, unlocked. Synchronous where no data key is concerned. */
export interface ClinicVault {
  pseudonym(identity: Identity): Pseudonym
  /** HMAC-SHA-256 under the clinic's digest key; 32 bytes. */
  requestDigest(canonicalRequest: string): Uint8Array
  /** Makes and stores the identity's data key if there is none; replicas agree on one. */
  identity(identity: Identity): Promise<KnownIdentity>
  /** Throws if the identity's key was never made; call `identity` first. A destroyed key gives `key_destroyed`. */
  seal(kid: Pseudonym, context: SealContext, value: JsonValue): Promise<Sealed | 'key_destroyed'>
  /** Throws ChartwardenError INTERNAL if the bytes do not authenticate: that is tampering, not absence. */
  open(sealed: Sealed, context: SealContext): Promise<Opened>
  /** Seals a folded state under a key of the clinic. It holds pseudonyms and codes only, so no identity's key is concerned. */
  sealState(context: StateContext, bytes: Uint8Array): Uint8Array
  /** Undefined unless these are the bytes that were sealed for this clinic, format and state revision. */
  openState(context: StateContext, sealed: Uint8Array): Uint8Array | undefined
}

export interface Vault {
  /** The clinic's keys, made at registration. Undefined when the clinic has none. */
  clinic(clinic: string): Promise<ClinicVault | undefined>
  /** Makes the clinic's keys if there are none; replicas agree on one set. */
  createClinic(clinic: string): Promise<ClinicVault>
}
