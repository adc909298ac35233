import { canonicalJson } from '../../../kernel/canonical-json.ts'
import { formatBundle } from '../entry-bundle.ts'
import { tileWidth, widthOf } from '../tile.ts'
import { type BundledEntry, BundleError, type BundleItem, type BundleManifest, type OpenedPart } from './bundle.ts'
import { entriesName, entryName, fileNames, openedBundleName, openedName, receiptName, tileName } from './bundle-names.ts'
import { maxPageRows, pageEnd, pageHead, pageLine, tableHead, tableLine } from './index-files.ts'
import { indexRow } from './index-row.ts'
import { formatManifest } from './manifest.ts'
import { readmeText } from './readme.ts'
import type { OpenSpool } from './spool.ts'
import { createZipWriter, type LateFile, type ZipSink } from './zip-writer.ts'

export interface BundleWriterOptions {
  readonly manifest: BundleManifest
  /** The signed note. */
  readonly checkpoint: string
  readonly verifierKeys: readonly string[]
  readonly sink: ZipSink
  readonly openSpool: OpenSpool
}

/**
 * Writes a bundle from its items, in the order of `BundleItem`: entries by revision, an opened part behind its entry; in a whole ledger the
 * tiles behind the 256 entries (at the end, fewer) they end with; keys last. Memory does not grow with the number of entries.
 */
export interface BundleWriter {
  /** Throws BundleError for what has no place there. */
  add(item: BundleItem): Promise<void>
  /** Answers the bytes of the file. */
  end(): Promise<number>
  /** Lets go of what was put aside. Safe to call more than once, and after `end`. */
  close(): Promise<void>
}

interface Waiting {
  readonly entry: BundledEntry
  opened: OpenedPart | undefined
}

const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8')

const openedLine = ({ revision, value }: OpenedPart): string => `${canonicalJson({ revision: String(revision), value })}\n`

export const createBundleWriter = async (options: BundleWriterOptions): Promise<BundleWriter> => {
  const { manifest, checkpoint, verifierKeys, sink, openSpool } = options
  const { whole } = manifest
  const zip = createZipWriter(sink, openSpool)
  let keys: LateFile | undefined
  /** Entries not written yet, or whose opened part may still come. */
  let waiting: Waiting[] = []
  let entries = 0n
  let lastRevision = -1n
  let partial = false
  let ended = false

  await zip.add(fileNames.readme, utf8(readmeText(manifest)))
  await zip.add(fileNames.manifest, utf8(formatManifest(manifest)))
  await zip.add(fileNames.checkpoint, utf8(checkpoint))
  await zip.add(fileNames.verifierKeys, utf8(verifierKeys.map((key) => `${key}\n`).join('')))
  if (whole) await zip.add(fileNames.logCheckpoint, utf8(checkpoint))
  const table = await zip.late(fileNames.indexTable)
  const page: string[] = [pageHead(manifest)]
  await table.write(utf8(tableHead()))

  const list = async ({ entry, opened }: Waiting): Promise<void> => {
    const row = indexRow(entry, opened)
    await table.write(utf8(tableLine(row)))
    if (page.length <= maxPageRows) page.push(pageLine(row))
  }
  /** Writes what waits: in a whole ledger a bundle of entries with what was opened of them. */
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return
    const [first] = waiting
    if (whole && first !== undefined) {
      const index = first.entry.revision / BigInt(tileWidth)
      await zip.add(entriesName(index, waiting.length), formatBundle(waiting.map(({ entry }) => entry.bytes)))
      const opened = waiting.flatMap((each) => each.opened ?? [])
      if (opened.length > 0) await zip.add(openedBundleName(index), utf8(opened.map(openedLine).join('')))
      partial = waiting.length < tileWidth
    }
    for (const each of waiting) await list(each)
    waiting = []
  }
  const addEntry = async (entry: BundledEntry): Promise<void> => {
    const { revision, bytes, receipt } = entry
    const follows = whole ? revision === lastRevision + 1n : revision > lastRevision
    if (!follows || partial || (receipt === undefined) !== whole) throw new BundleError(`entry ${revision} is out of its place`)
    if (!whole || waiting.length === tileWidth) await flush()
    if (receipt !== undefined) {
      await zip.add(entryName(revision), bytes)
      await zip.add(receiptName(revision), utf8(receipt))
    }
    waiting.push({ entry, opened: undefined })
    lastRevision = revision
    entries += 1n
  }
  const addOpened = async (part: OpenedPart): Promise<void> => {
    const owner = waiting.find(({ entry }) => entry.revision === part.revision)
    if (owner === undefined || owner.opened !== undefined) throw new BundleError(`the opened part of ${part.revision} is out of its place`)
    owner.opened = part
    if (!whole) await zip.add(openedName(part.revision), utf8(openedLine(part)))
  }
  return {
    add: async (item) => {
      if (ended || (keys !== undefined && item.kind !== 'keys')) throw new BundleError('something stands behind the end')
      switch (item.kind) {
        case 'entry':
          return addEntry(item.entry)
        case 'opened':
          return addOpened(item.part)
        case 'tile':
          if (!whole) throw new BundleError('a selection has no tiles')
          await flush()
          return zip.add(tileName(item.tile, widthOf(item.tile)), item.tile.hashes)
        case 'keys':
          await flush()
          keys ??= await zip.late(fileNames.keys)
          return keys.write(item.bytes)
      }
    },
    end: async () => {
      ended = true
      await flush()
      if (whole && String(entries) !== manifest.size) {
        throw new BundleError(`the ledger is not whole: ${entries} of ${manifest.size} entries`)
      }
      await zip.addLate(table)
      await zip.add(fileNames.indexPage, utf8(page.join('') + pageEnd(entries)))
      if (keys !== undefined) await zip.addLate(keys)
      return zip.end()
    },
    close: () => zip.close(),
  }
}
