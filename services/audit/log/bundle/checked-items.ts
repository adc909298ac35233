/**
 * Whether a bundle proves what is in it: the plain yes or no for whoever writes one or takes one in. What exactly is wrong, where, and what a
 * check could not exclude is told by the verification (services/audit/log/verify).
 */
import { parseCheckpoint } from '../checkpoint.ts'
import { parseVerifierKey, verifyNote } from '../note.ts'
import { hashesAt, type Tile } from '../tile.ts'
import { parseTlogProof } from '../tlog-proof.ts'
import { leafHash } from '../tree-hash.ts'
import { createTreeHasher } from '../tree-hasher.ts'
import { verifyInclusion } from '../verify-proofs.ts'
import { type Bundle, type BundledEntry, BundleError, type BundleItem } from './bundle.ts'

const signedHead = ({ manifest, checkpoint, verifierKeys }: Bundle) => {
  const keys = verifierKeys.map(parseVerifierKey).filter((key) => key !== undefined)
  if (keys.length !== verifierKeys.length || keys.some(({ name }) => name !== manifest.origin)) {
    throw new BundleError('log.vkeys does not hold keys of this log')
  }
  const verified = verifyNote(checkpoint, keys)
  const head = verified.kind === 'verified' ? parseCheckpoint(verified.text) : undefined
  if (head === undefined) throw new BundleError('the checkpoint is not signed by a key of log.vkeys')
  return head
}

/** The tiles at the right edge, which a tree that goes on would fill. */
const lastTiles = (hasher: ReturnType<typeof createTreeHasher>): readonly Tile[] => {
  const { size, levels } = hasher.edge()
  return levels.flatMap((hashes, level) => (hashes.length === 0 ? [] : [{ level, index: hashesAt(size, level + 1), hashes }]))
}

/** Writes and checks whole ledgers the same way: the tiles that stand behind each entry. */
export const createTileFollower = (size: bigint) => {
  const full: Tile[] = []
  const hasher = createTreeHasher({ onTile: (tile) => full.push(tile) })
  return {
    root: () => hasher.root(),
    /** Tiles that end with this entry, each of which stands behind it in the file. */
    append: (bytes: Uint8Array): readonly Tile[] => {
      hasher.append(bytes)
      const ended = full.splice(0)
      return hasher.size === size ? [...ended, ...lastTiles(hasher)] : ended
    },
  }
}

/** The items of a bundle, each checked against the checkpoint it claims, which a key of the bundle has signed. Throws BundleError. */
export async function* checkedItems(bundle: Bundle): AsyncGenerator<BundleItem> {
  const head = signedHead(bundle)
  const follower = createTileFollower(head.size)
  let expected: Tile[] = []

  const checkReceipt = ({ revision, bytes, receipt = '' }: BundledEntry): void => {
    const proof = parseTlogProof(receipt)
    const proven =
      proof !== undefined &&
      proof.index === revision &&
      proof.extra === undefined &&
      proof.checkpoint === bundle.checkpoint &&
      verifyInclusion({ leafHash: leafHash(bytes), index: revision, size: head.size, proof: proof.hashes, root: head.root })
    if (!proven) throw new BundleError(`entry ${revision} is not the one that its receipt proves`)
  }
  const checkTile = ({ level, index, hashes }: Tile): void => {
    const wanted = expected.shift()
    if (wanted?.level !== level || wanted.index !== index || !wanted.hashes.equals(hashes)) {
      throw new BundleError(`the tile ${index} of level ${level} is not made of the entries before it`)
    }
  }
  for await (const item of bundle.items()) {
    if (item.kind === 'entry' && !bundle.manifest.whole) checkReceipt(item.entry)
    else if (item.kind === 'entry') {
      if (expected.length > 0) throw new BundleError(`tiles are missing before entry ${item.entry.revision}`)
      expected = [...follower.append(item.entry.bytes)]
    } else if (item.kind === 'tile') checkTile(item.tile)
    yield item
  }
  if (expected.length > 0) throw new BundleError('tiles are missing at the end')
  if (bundle.manifest.whole && !follower.root().equals(head.root)) throw new BundleError('the entries are not those that were signed')
}
