/**
 * Whether a log may be signed on: what the database holds against what the signer store says was signed. Nothing the database says is
 * believed without it.
 */
import type { HaltCause, KeptLog } from './log-store.ts'
import { consistencyProof, type HashSource } from './proofs.ts'
import type { SignedHead } from './signer-store.ts'
import type { Standing } from './standing.ts'
import type { Tile } from './tile.ts'
import { edgeOf, edgeRoot, type TreeEdge } from './tree-edge.ts'
import { verifyConsistency } from './verify-proofs.ts'

/** A log that the sealer works on. */
export interface OpenLog {
  readonly clinic: string
  readonly origin: string
  /** Of what is integrated. */
  edge: TreeEdge
  /** Size of the newest checkpoint; 0: none. */
  published: bigint
  /** Signed already, and not reached yet by a tree that has to be made again: it must come through this head. */
  ahead: SignedHead | undefined
  /** When the oldest entry that is not published was stored, by the ledger's clock, in milliseconds since the epoch. */
  oldest: number | undefined
}

export interface Findings {
  readonly kept: KeptLog
  readonly standing: Standing
  /** Of the log's right edge. */
  readonly tiles: readonly Tile[]
  /** Any others of it. */
  readonly hashes: HashSource
  /** Entries in the ledger, counted after the log was read. */
  readonly ledger: bigint
}

const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0

/** Whether the tree with this edge continues what was signed. */
const continues = async (edge: TreeEdge, signed: SignedHead, hashes: HashSource): Promise<boolean> => {
  const root = edgeRoot(edge)
  if (edge.size === signed.size) return same(root, signed.root)
  if (signed.size === 0n) return true
  const proof = await consistencyProof(signed.size, edge.size, hashes).catch(() => undefined)
  return (
    proof !== undefined &&
    verifyConsistency({ firstSize: signed.size, secondSize: edge.size, firstRoot: signed.root, secondRoot: root, proof })
  )
}

export const openLog = async (found: Findings): Promise<{ readonly log: OpenLog } | { readonly halt: HaltCause }> => {
  const { kept, standing, ledger } = found
  const { signed } = standing
  const { published } = kept
  if (kept.generation !== standing.generation || kept.origin !== standing.origin) return { halt: 'store_behind' }
  if (published !== undefined) {
    if (signed === undefined || published.size > signed.size) return { halt: 'store_behind' }
    if (published.size === signed.size && !same(published.root, signed.root)) return { halt: 'store_behind' }
  }
  if (ledger < (signed?.size ?? 0n) || ledger < kept.size) return { halt: 'ledger_behind' }
  const edge = edgeOf(kept.size, found.tiles)
  if (edge === undefined) return { halt: 'tiles_differ' }
  const log: OpenLog = {
    clinic: kept.clinic,
    origin: kept.origin,
    edge,
    published: published?.size ?? 0n,
    ahead: undefined,
    oldest: undefined,
  }
  if (signed === undefined) return { log }
  if (kept.size < signed.size) return { log: { ...log, ahead: signed } }
  return (await continues(edge, signed, found.hashes)) ? { log } : { halt: 'tiles_differ' }
}
