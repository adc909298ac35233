/**
 * A receipt holds hashes of everything beside its entry. Where its entry is as it was signed, these hashes are proven with it, and each says
 * of its part of the ledger whether that is as it was: what a checkpoint alone could not narrow down.
 */
import { inclusionPath, type Subtree } from '../proof-path.ts'
import { edgeRoot } from '../tree-edge.ts'
import { hashLength, leafMessageHash } from '../tree-hash.ts'
import { verifyInclusion } from '../verify-proofs.ts'
import { noHash } from './alignment.ts'
import { bundleEntries } from './bundle-entries.ts'
import { createEdgesAt } from './edges-at.ts'
import type { Fault } from './fault.ts'
import type { LedgerPart } from './found.ts'

/** What a receipt says, whoever has signed it. */
export interface ReceiptClaim {
  readonly index: bigint
  readonly hashes: readonly Buffer[]
  readonly size: bigint
  readonly root: Uint8Array
  /** In words: "the receipt in file x". */
  readonly label: string
}

interface Part extends Subtree {
  readonly hash: Buffer
}

/** The parts of the tree that the receipt has hashes of, where there is one for each. */
const partsOf = ({ index, size, hashes }: ReceiptClaim): readonly Part[] => {
  const path = index < size ? inclusionPath(index, { start: 0n, end: size }) : []
  return path.length === hashes.length ? path.map((subtree, at) => ({ ...subtree, hash: hashes[at] as Buffer })) : []
}

interface Collector {
  readonly receipt: ReceiptClaim
  readonly parts: readonly Part[]
  readonly roots: ReadonlyMap<Part, Buffer>
  take(hashes: Buffer): void
}

/** Root of each part of one receipt over the leaf hashes it is given in order. */
const createCollector = (receipt: ReceiptClaim): Collector => {
  const parts = partsOf(receipt)
  const ordered = [...parts].sort((a, b) => (a.start < b.start ? -1 : 1))
  const roots = new Map<Part, Buffer>()
  let at = 0
  let place = 0n
  let tree = createEdgesAt([])
  return {
    receipt,
    parts,
    roots,
    take: (hashes) => {
      let rest = hashes
      for (let part = ordered[at]; rest.length > 0 && part !== undefined; part = ordered[at]) {
        const stop = place < part.start ? part.start : part.end
        const room = (stop - place) * BigInt(hashLength)
        const here = room < BigInt(rest.length) ? rest.subarray(0, Number(room)) : rest
        if (place >= part.start) tree.append(here)
        place += BigInt(here.length / hashLength)
        rest = rest.subarray(here.length)
        if (place < part.end) continue
        roots.set(part, edgeRoot(tree.edge))
        tree = createEdgesAt([])
        at += 1
      }
    },
  }
}

/** Revisions that may be missing in a row; behind more of them nothing is said. */
const mostHoles = 65_536n

/** The leaf hashes of the entries found, in rows, `noHash` where there is none. */
async function* leafRows(ledger: AsyncIterable<LedgerPart>): AsyncGenerator<Buffer> {
  let size = 0n
  for await (const part of ledger) {
    if (part.kind === 'tile') continue
    const row: Buffer[] = []
    for (const { revision, message } of part.kind === 'bundle' ? bundleEntries(part.bundle) : part.entries) {
      if (revision < size) continue
      if (revision - size > mostHoles) return
      for (; size < revision; size += 1n) row.push(noHash)
      row.push(Buffer.from(leafMessageHash(message), 'latin1'))
      size += 1n
    }
    yield Buffer.concat(row)
  }
}

/** What is known of the entry at the place of a receipt: its leaf hash as found, and the one kept for it. */
export interface ReceiptLeaf {
  readonly found?: Buffer
  readonly logged?: Buffer
  readonly time?: string | undefined
}

const faultsOf = (clinic: string, { receipt, parts, roots }: Collector, leaf: ReceiptLeaf | undefined): readonly Fault[] => {
  const { index, label, size, root, hashes } = receipt
  const proves = (hash: Buffer | undefined): boolean =>
    hash !== undefined && verifyInclusion({ leafHash: hash, index, size, proof: hashes, root })
  const wrong = parts.filter((part) => roots.get(part)?.equals(part.hash) === false)
  const itself: Fault = {
    kind: 'entry_changed',
    clinic,
    revision: index,
    lastRevision: index,
    time: leaf?.time,
    detail: `The entry found here is not the one that ${label} was given for.`,
  }
  const found = proves(leaf?.found)
  if (!found && !proves(leaf?.logged)) {
    // Everything beside the entry fits, so that it can only be the entry; otherwise nothing says whose hashes are right.
    return leaf?.found !== undefined && wrong.length === 0 && roots.size === parts.length && parts.length > 0 ? [itself] : []
  }
  const detail = `At least one of these entries is not as it was signed; ${label} proves no more.`
  return [
    ...(found ? [] : [itself]),
    ...wrong.map(({ start, end }): Fault => ({ kind: 'entry_changed', clinic, revision: start, lastRevision: end - 1n, detail })),
  ]
}

export interface NarrowOptions {
  readonly clinic: string
  readonly receipts: readonly ReceiptClaim[]
  /** By revision. */
  readonly leaves: ReadonlyMap<bigint, ReceiptLeaf>
  /** The ledger again, from its beginning. */
  readonly ledger: AsyncIterable<LedgerPart>
}

/** Where something is wrong, as far as the receipts prove it; empty: they say no more than their checkpoints. Reads the ledger once. */
export const narrow = async ({ clinic, receipts, leaves, ledger }: NarrowOptions): Promise<readonly Fault[]> => {
  const collectors = receipts.map(createCollector)
  for await (const row of leafRows(ledger)) for (const collector of collectors) collector.take(row)
  return collectors.flatMap((collector) => faultsOf(clinic, collector, leaves.get(collector.receipt.index)))
}
