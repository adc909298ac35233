/**
 * Reads a bundle. It is taken from anybody, so nothing in it is believed: names are those a bundle has and no others, sizes are bounded,
 * nothing is packed and nothing unpacked. While it is read it is written again and compared: at the end it is known to be, to the last
 * byte, the file that the writer makes from these entries, so that nothing can hide in it and no two programs can read it differently.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { canonicalJson } from '../../../kernel/canonical-json.ts'
import { maxEntryBytes } from '../../ledger.ts'
import { parseCheckpoint } from '../checkpoint.ts'
import { parseBundle } from '../entry-bundle.ts'
import { decodeNote, parseNote } from '../note.ts'
import { tileWidth } from '../tile.ts'
import { hashLength } from '../tree-hash.ts'
import { type Bundle, BundleError, type BundleItem, type BundleManifest, type OpenBundle, type OpenedPart } from './bundle.ts'
import { fileNames, parseName } from './bundle-names.ts'
import { compareFile } from './compare-file.ts'
import { createFileWindow, type FileWindow } from './file-window.ts'
import { parseManifest } from './manifest.ts'
import { contentOf, nextFile, piecesOf } from './read-zip.ts'
import { type BundleWriter, createBundleWriter } from './write-bundle.ts'
import type { ZipFile } from './zip-format.ts'

/** Bytes that a file of each kind may have. */
const limits = {
  text: 65_536,
  note: 1_000_000,
  entries: tileWidth * (maxEntryBytes + 2),
  tile: tileWidth * hashLength,
  opened: 262_144,
} as const

const textOf = (name: string, bytes: Buffer): string => {
  const text = decodeNote(bytes)
  if (text === undefined) throw new BundleError(`${name} is not UTF-8`)
  return text
}

/** The next file, which has to be this one. */
const expect = async (window: FileWindow, name: string, limit: number): Promise<string> => {
  const file = await nextFile(window)
  if (file?.name !== name) throw new BundleError(`it is no evidence bundle: ${name} is not where it should be`)
  return textOf(name, await contentOf(window, file, limit))
}

const openedParts = (name: string, text: string): readonly OpenedPart[] => {
  try {
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const { revision, value } = JSON.parse(line) as { readonly revision: string; readonly value: string }
        // Written again as it was read, else it does not compare equal.
        canonicalJson(JSON.parse(value))
        return { revision: BigInt(revision), value }
      })
  } catch {
    throw new BundleError(`${name} cannot be read`)
  }
}

/** Whether the manifest says what the checkpoint says. Whose signature it carries is for whoever verifies. */
const checkManifest = ({ origin, size, root }: BundleManifest, note: string): void => {
  const parsed = parseNote(note)
  const checkpoint = parsed === undefined ? undefined : parseCheckpoint(parsed.text)
  if (checkpoint === undefined) throw new BundleError('its checkpoint is not a signed checkpoint')
  if (checkpoint.origin !== origin || String(checkpoint.size) !== size || checkpoint.root.toString('base64') !== root) {
    throw new BundleError('manifest.json does not say what the checkpoint says', { changed: true })
  }
}

/** What stands in a file of the middle part; empty: it is none of that. */
async function* itemsOf(window: FileWindow, file: ZipFile): AsyncGenerator<BundleItem> {
  const named = parseName(file.name)
  const odd = (): BundleError => new BundleError(`${JSON.stringify(file.name)} has no place in a bundle`)
  switch (named?.kind) {
    case 'entry': {
      const bytes = await contentOf(window, file, maxEntryBytes)
      const receipt = await nextFile(window)
      const owner = receipt === undefined ? undefined : parseName(receipt.name)
      if (receipt === undefined || owner?.kind !== 'receipt' || owner.revision !== named.revision) throw odd()
      yield {
        kind: 'entry',
        entry: { revision: named.revision, bytes, receipt: textOf(receipt.name, await contentOf(window, receipt, limits.note)) },
      }
      return
    }
    case 'entries': {
      const entries = parseBundle(await contentOf(window, file, limits.entries))
      if (entries?.length !== named.width) throw new BundleError(`${file.name} does not hold the entries its name says`)
      let revision = named.index * BigInt(tileWidth)
      for (const bytes of entries) {
        yield { kind: 'entry', entry: { revision, bytes, receipt: undefined } }
        revision += 1n
      }
      return
    }
    case 'tile': {
      const hashes = await contentOf(window, file, limits.tile)
      if (hashes.length !== named.width * hashLength) throw new BundleError(`${file.name} does not hold the hashes its name says`)
      yield { kind: 'tile', tile: { ...named.id, hashes } }
      return
    }
    case 'opened':
    case 'opened_bundle': {
      const limit = named.kind === 'opened' ? limits.opened : limits.opened * tileWidth
      for (const part of openedParts(file.name, textOf(file.name, await contentOf(window, file, limit)))) yield { kind: 'opened', part }
      return
    }
    default:
      throw odd()
  }
}

/** Writes a bundle again and compares it with the file, until it differs. */
const createRewriting = (
  file: FileHandle,
  manifest: BundleManifest,
  head: Pick<Bundle, 'checkpoint' | 'verifierKeys'>,
  onDifference: ((problem: string) => void) | undefined,
) => {
  let again: BundleWriter | undefined
  let differs = false
  const compared = async <Result>(write: () => Promise<Result>): Promise<Result | undefined> => {
    if (differs) return undefined
    try {
      return await write()
    } catch (thrown) {
      if (!(thrown instanceof BundleError) || onDifference === undefined) throw thrown
      differs = true
      onDifference(thrown.problem)
      return undefined
    }
  }
  return {
    begin: () =>
      compared(async () => {
        again = await createBundleWriter({ manifest, ...head, ...compareFile(file) })
      }),
    add: (item: BundleItem) => compared(async () => again?.add(item)),
    end: () =>
      compared(async () => {
        const size = await again?.end()
        if ((await file.stat()).size !== size) throw new BundleError('something stands behind the end of the bundle')
      }),
  }
}

const readItems = async function* (
  file: FileHandle,
  manifest: BundleManifest,
  head: Pick<Bundle, 'checkpoint' | 'verifierKeys'>,
  onDifference?: (problem: string) => void,
) {
  const window = createFileWindow(file)
  const again = createRewriting(file, manifest, head, onDifference)
  await again.begin()
  for (let left = manifest.whole ? 5 : 4; left > 0; left -= 1) {
    const skipped = await nextFile(window)
    if (skipped !== undefined) await contentOf(window, skipped, limits.note)
  }
  for (;;) {
    const next = await nextFile(window)
    if (next === undefined) break
    if (next.name === fileNames.indexTable || next.name === fileNames.indexPage) {
      for await (const _ of piecesOf(window, next));
    } else if (next.name === fileNames.keys) {
      for await (const bytes of piecesOf(window, next)) {
        yield { kind: 'keys', bytes } as const
        await again.add({ kind: 'keys', bytes })
      }
    } else {
      for await (const item of itemsOf(window, next)) {
        yield item
        await again.add(item)
      }
    }
  }
  await again.end()
}

export const openBundle: OpenBundle = async (path) => {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (cause) {
    throw new BundleError(`it cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'})`, { cause })
  }
  try {
    const window = createFileWindow(file)
    await expect(window, fileNames.readme, limits.text)
    const manifest = parseManifest(await expect(window, fileNames.manifest, limits.text))
    const checkpoint = await expect(window, fileNames.checkpoint, limits.note)
    const verifierKeys = (await expect(window, fileNames.verifierKeys, limits.text)).split('\n').slice(0, -1)
    checkManifest(manifest, checkpoint)
    return {
      manifest,
      checkpoint,
      verifierKeys,
      items: (onDifference) => readItems(file, manifest, { checkpoint, verifierKeys }, onDifference),
      close: () => file.close(),
    }
  } catch (thrown) {
    await file.close()
    throw thrown
  }
}
