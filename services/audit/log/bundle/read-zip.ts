import { BundleError } from './bundle.ts'
import type { FileWindow } from './file-window.ts'
import { centralSignature, largeSize, localHeaderLength, parseLocalHeader, type ZipFile } from './zip-format.ts'

/** The next file of the archive; its content stands behind. Undefined where the central directory begins. Throws BundleError for anything else. */
export const nextFile = async (window: FileWindow): Promise<ZipFile | undefined> => {
  const damaged = (): BundleError => new BundleError('it is no evidence bundle, was cut, or was packed again by another program')
  // A view of the window is gone with the next read.
  const header = Buffer.from(await window.read(localHeaderLength))
  if (header.length >= 4 && header.readUInt32LE(0) === centralSignature) return undefined
  const parsed = parseLocalHeader(header)
  if (parsed === undefined || parsed.nameLength > 100 || parsed.extraLength > 20) throw damaged()
  const name = (await window.read(parsed.nameLength)).toString('latin1')
  const extra = await window.read(parsed.extraLength)
  const size = parsed.extraLength === 0 ? parsed.size : largeSize(extra)
  if (size === undefined || name.length < parsed.nameLength) throw damaged()
  return { name, size, crc: parsed.crc }
}

/** The whole content of a file that may have at most `limit` bytes. */
export const contentOf = async (window: FileWindow, { name, size }: ZipFile, limit: number): Promise<Buffer> => {
  if (size > limit) throw new BundleError(`${name} is larger than it may be`)
  const bytes = Buffer.from(await window.read(size))
  if (bytes.length < size) throw new BundleError(`the file ends in the middle of ${name}`)
  return bytes
}

const pieceBytes = 65_536

/** The content of a file of any size, in pieces. */
export async function* piecesOf(window: FileWindow, { name, size }: ZipFile): AsyncGenerator<Buffer> {
  for (let done = 0; done < size; ) {
    const bytes = await window.read(Math.min(pieceBytes, size - done))
    if (bytes.length === 0) throw new BundleError(`the file ends in the middle of ${name}`)
    done += bytes.length
    yield Buffer.from(bytes)
  }
}
