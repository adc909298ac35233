/** A whole ledger in an evidence bundle. */
import type { OpenBundle } from '../../bundle/bundle.ts'
import { readableItems } from '../../bundle/readable-items.ts'
import { formatBundle } from '../../entry-bundle.ts'
import { tileWidth } from '../../tile.ts'
import type { FoundBundle, LedgerPart } from '../found.ts'
import type { LedgerSource } from '../verify-ledger.ts'

/** The file again from its beginning, as far as it can be read. */
async function* read({ open, path, onDamage }: Pick<BundleSourceOptions, 'open' | 'path' | 'onDamage'>): AsyncGenerator<LedgerPart> {
  const bundle = await open(path)
  let [first, entries] = [0n, [] as Uint8Array[]]
  const gathered = (): FoundBundle => {
    const taken = { first, most: entries.length, bytes: formatBundle(entries) }
    ;[first, entries] = [first + BigInt(entries.length), []]
    return taken
  }
  try {
    for await (const item of readableItems(bundle, onDamage)) {
      const follows = item.kind === 'entry' && item.entry.revision === first + BigInt(entries.length)
      if (entries.length > 0 && (!follows || entries.length === tileWidth)) yield { kind: 'bundle', bundle: gathered() }
      if (item.kind === 'entry') {
        if (!follows) first = item.entry.revision
        entries.push(item.entry.bytes)
      }
      if (item.kind === 'tile') yield { kind: 'tile', tile: item.tile }
    }
    if (entries.length > 0) yield { kind: 'bundle', bundle: gathered() }
  } finally {
    await bundle.close()
  }
}

export interface BundleSourceOptions {
  readonly open: OpenBundle
  readonly path: string
  /** As its head says. */
  readonly clinic: string
  readonly checkpoint: string
  /** Entries that it covers. */
  readonly size: bigint
  readonly verifierKeys: readonly string[]
  /** Told, in words, where the file is not as it was written; the ledger is then what could be read. */
  readonly onDamage: (problem: string) => void
}

export const bundleSource = ({ open, path, clinic, checkpoint, size, verifierKeys, onDamage }: BundleSourceOptions): LedgerSource => ({
  clinic,
  published: [checkpoint],
  verifierKeys,
  endsAt: size,
  hasColumns: false,
  read: () => read({ open, path, onDamage }),
})
