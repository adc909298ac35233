/** A whole ledger in an evidence bundle. */
import type { OpenBundle } from '../../bundle/bundle.ts'
import { readableItems } from '../../bundle/readable-items.ts'
import { tileWidth } from '../../tile.ts'
import { leafMessage } from '../../tree-hash.ts'
import type { FoundEntry, LedgerPart } from '../found.ts'
import type { LedgerSource } from '../verify-ledger.ts'

/** The file again from its beginning, as far as it can be read. */
async function* read({ open, path, onDamage }: Pick<BundleSourceOptions, 'open' | 'path' | 'onDamage'>): AsyncGenerator<LedgerPart> {
  const bundle = await open(path)
  let entries: FoundEntry[] = []
  try {
    for await (const item of readableItems(bundle, onDamage)) {
      if (item.kind === 'entry') entries.push({ revision: item.entry.revision, message: leafMessage(item.entry.bytes) })
      if (entries.length > 0 && (item.kind !== 'entry' || entries.length >= tileWidth)) {
        yield { kind: 'entries', entries }
        entries = []
      }
      if (item.kind === 'tile') yield { kind: 'tile', tile: item.tile }
    }
    if (entries.length > 0) yield { kind: 'entries', entries }
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
