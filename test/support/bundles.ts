/** Evidence bundles over entries made up for a test, signed by a key of the test's own. */
import { createPrivateKey } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Test } from 'tap'
import { BundleError, type BundleItem, type BundleManifest, type BundleSelection } from '../../services/audit/log/bundle/bundle.ts'
import { checkedItems, createTileFollower } from '../../services/audit/log/bundle/checked-items.ts'
import { openBundle } from '../../services/audit/log/bundle/open-bundle.ts'
import { fileSpool } from '../../services/audit/log/bundle/spool.ts'
import { createBundleWriter } from '../../services/audit/log/bundle/write-bundle.ts'
import { formatCheckpoint } from '../../services/audit/log/checkpoint.ts'
import { formatNote, formatVerifierKey, signNote, verifierKeyOf } from '../../services/audit/log/note.ts'
import { inclusionProof } from '../../services/audit/log/proofs.ts'
import type { Tile } from '../../services/audit/log/tile.ts'
import { formatTlogProof } from '../../services/audit/log/tlog-proof.ts'
import { scratchDirectory } from './service.ts'

const origin = 'example.org/v1/clinics/north/log'

/** Always the same, so that what it signs is. */
const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
})
const verifierKey = formatVerifierKey(verifierKeyOf(origin, privateKey))

/** An entry of the clinic `north`; what is in it depends on its revision alone. */
export const entryBytes = (revision: number, padding = 0): Buffer =>
  Buffer.from(
    JSON.stringify({
      caller: 'practice',
      data: {
        action: 'read',
        decision: revision % 3 === 0 ? 'deny' : 'permit',
        patient: `P${revision % 5}`,
        purpose: 'TREAT',
        resource_type: 'imaging',
        subject: { pseudonym: `S${revision % 4}`, type: 'staff' },
        ...(padding === 0 ? {} : { why: 'x'.repeat(padding) }),
      },
      id: `00000000-0000-4000-8000-${String(revision).padStart(12, '0')}`,
      source: '/clinics/north',
      specversion: '1.0',
      time: new Date(Date.UTC(2026, 0, 1) + revision * 60_000).toISOString(),
      type: 'chartwarden.access.decided.v1',
    }),
  )

/** The log of these entries, whole and signed. */
const signedLog = (entries: readonly Buffer[]) => {
  const follower = createTileFollower(BigInt(entries.length))
  const tiles: (readonly Tile[])[] = entries.map((bytes) => follower.append(bytes))
  const root = follower.root()
  const text = formatCheckpoint({ origin, size: BigInt(entries.length), root, extensions: [] })
  return { tiles, root, size: BigInt(entries.length), checkpoint: formatNote(text, [signNote(text, origin, privateKey)]) }
}

export interface BundleWishes {
  readonly entries: readonly Buffer[]
  /** Revisions; undefined: the whole ledger. */
  readonly selected?: readonly number[]
  /** Canonical JSON opened of an entry. */
  readonly opened?: ReadonlyMap<number, string>
  readonly keys?: Buffer
  readonly selection?: BundleSelection
}

/** What a bundle is made of, in its order. */
export const bundleItems = async ({ entries, selected, opened = new Map(), keys }: BundleWishes) => {
  const log = signedLog(entries)
  const all = log.tiles.flat()
  const source = {
    tiles: async (ids: readonly Pick<Tile, 'level' | 'index'>[]) =>
      ids.map((id) => all.findLast((tile) => tile.level === id.level && tile.index === id.index) as Tile),
  }
  const items: BundleItem[] = []
  for (const revision of selected ?? entries.keys()) {
    const bytes = entries[revision] as Buffer
    const index = BigInt(revision)
    const receipt =
      selected === undefined
        ? undefined
        : formatTlogProof({ index, hashes: await inclusionProof(index, log.size, source), checkpoint: log.checkpoint })
    items.push({ kind: 'entry', entry: { revision: index, bytes, receipt } })
    const value = opened.get(revision)
    if (value !== undefined) items.push({ kind: 'opened', part: { revision: index, value } })
    if (selected === undefined) for (const tile of log.tiles[revision] as readonly Tile[]) items.push({ kind: 'tile', tile })
  }
  if (keys !== undefined) items.push({ kind: 'keys', bytes: keys })
  const manifest: BundleManifest = {
    format: 'chartwarden evidence bundle v1',
    clinic: 'north',
    origin,
    size: String(log.size),
    root: log.root.toString('base64'),
    whole: selected === undefined,
    selection: {},
  }
  return { manifest, checkpoint: log.checkpoint, items }
}

export interface BundleContent {
  readonly manifest: BundleManifest
  readonly checkpoint: string
  readonly items: readonly BundleItem[]
}

/** Writes these items as they are, into a file that goes with the test. */
export const writeBundleFile = async (test: Test, { manifest, checkpoint, items }: BundleContent): Promise<string> => {
  const file = path.join(scratchDirectory(test, 'bundle'), 'evidence.zip')
  const handle = await open(file, 'w')
  let spools = 0
  const writer = await createBundleWriter({
    manifest,
    checkpoint,
    verifierKeys: [verifierKey],
    sink: { write: async (bytes) => void (await handle.write(bytes)) },
    openSpool: () => {
      spools += 1
      return fileSpool(`${file}-${spools}`, (name) => rm(name))
    },
  })
  try {
    for (const item of items) await writer.add(item)
    await writer.end()
  } finally {
    await writer.close()
    await handle.close()
  }
  return file
}

export const bundleFile = async (test: Test, wishes: BundleWishes): Promise<string> => writeBundleFile(test, await bundleItems(wishes))

/** Everything in a file, if it is a bundle whose proofs hold; else why not. Anything but a BundleError is thrown. */
export const readBundle = async (file: string): Promise<readonly BundleItem[] | string> => {
  try {
    const bundle = await openBundle(file)
    try {
      const items: BundleItem[] = []
      for await (const item of checkedItems(bundle)) items.push(item)
      return items
    } finally {
      await bundle.close()
    }
  } catch (thrown) {
    if (thrown instanceof BundleError) return thrown.problem
    throw thrown
  }
}
