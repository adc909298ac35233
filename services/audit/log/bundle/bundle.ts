/**
 * The evidence bundle: one file (ZIP, stored, always the same bytes for the same content) that a stranger verifies offline with standard
 * formats alone (docs/reference/evidence-bundle.md). A selection holds entries and a C2SP tlog-proof of each; a whole ledger holds the
 * C2SP static layout, so that any reader of tlog-tiles works on the unpacked folder.
 */
import type { Tile } from '../tile.ts'

/**
 * What was asked for, as the exporter said it: no proof covers it. People by their pseudonyms, as in the entries, unless names are opened.
 * Times in RFC 3339.
 */
export interface BundleSelection {
  readonly patient?: string
  readonly subject?: { readonly type: string; readonly id: string }
  readonly from?: string
  readonly until?: string
}

/** `manifest.json`: what the file is said to hold. What counts is proven from `checkpoint`. */
export interface BundleManifest {
  readonly format: 'chartwarden evidence bundle v1'
  readonly clinic: string
  /** Of the log: the first line of the checkpoint. */
  readonly origin: string
  /** Entries that the checkpoint covers, decimal. */
  readonly size: string
  /** Root of the tree of that size, base64. */
  readonly root: string
  /** Whether every entry up to the checkpoint is here. */
  readonly whole: boolean
  readonly selection: BundleSelection
}

/** An entry of a bundle. */
export interface BundledEntry {
  readonly revision: bigint
  /** The exact bytes. */
  readonly bytes: Buffer
  /** C2SP tlog-proof; undefined in a whole ledger. */
  readonly receipt: string | undefined
}

/** An opened private part: said by whoever exported it; the proof covers only its sealed form, in the entry. */
export interface OpenedPart {
  readonly revision: bigint
  /** Canonical JSON. */
  readonly value: string
}

/**
 * What a bundle holds, in the order of the file, read once. Whoever reads to the end has read every byte of the file and knows that it is
 * laid out as the writer lays it out.
 */
export type BundleItem =
  | { readonly kind: 'entry'; readonly entry: BundledEntry }
  /** Whole ledgers only: every tile of hashes of the tree of that size, right behind the entries it is made of. */
  | { readonly kind: 'tile'; readonly tile: Tile }
  | { readonly kind: 'opened'; readonly part: OpenedPart }
  /** The clinic's keys, encrypted (age), in pieces. */
  | { readonly kind: 'keys'; readonly bytes: Buffer }

/** Why a file is not read (any further). */
export class BundleError extends Error {
  /** In words, for whoever has the file. */
  readonly problem: string
  /** Whether it is a bundle all the same, whose parts do not belong together. */
  readonly changed: boolean
  constructor(problem: string, { changed = false, ...options }: ErrorOptions & { readonly changed?: boolean } = {}) {
    super(problem, options)
    this.name = 'BundleError'
    this.problem = problem
    this.changed = changed
  }
}

/** An open bundle. */
export interface Bundle {
  readonly manifest: BundleManifest
  /** The signed note, exactly as it was published. */
  readonly checkpoint: string
  /** C2SP verifier keys as the bundle has them: whoever trusts them must have them from elsewhere too. */
  readonly verifierKeys: readonly string[]
  /**
   * Everything else, from the beginning to the end of the file. Throws BundleError where the file is not as it should be; where only its bytes
   * differ from those that the writer makes of these items, `onDifference` is told instead, once, if it is given, and reading goes on.
   */
  items(onDifference?: (problem: string) => void): AsyncIterable<BundleItem>
  close(): Promise<void>
}

/** Opens a file. Throws BundleError where it is no bundle or breaks a limit. Nothing is ever unpacked. */
export type OpenBundle = (path: string) => Promise<Bundle>
