/** The lines of a big file, one at a time, whatever stands in them. */
import type { FileHandle } from 'node:fs/promises'

export interface NdjsonLine {
  /** From 1. */
  readonly line: number
  /** Bytes of the file up to the end of the line. */
  readonly bytesRead: number
  /** Undefined when the line cannot be read; `fault` says why. */
  readonly text: string | undefined
  readonly fault: string | undefined
}

const chunkBytes = 256 * 1024
/** Of one line. An AuditEvent is a few hundred bytes; a resource as large as this is none. */
export const maxLineBytes = 1024 * 1024

const newline = 0x0a
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** Fatal: a line that is not UTF-8 is refused, never mended. A byte order mark is taken off the file, not off every line. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const lineOf = (bytes: Buffer, line: number, bytesRead: number): NdjsonLine => {
  const content = line === 1 && bytes.subarray(0, 3).equals(byteOrderMark) ? bytes.subarray(3) : bytes
  try {
    return { line, bytesRead, text: decoder.decode(content), fault: undefined }
  } catch {
    return { line, bytesRead, text: undefined, fault: 'is not UTF-8' }
  }
}

/** Reads the file from its beginning; blank lines are counted and left out. Holds one chunk and one line. */
export async function* ndjsonLines(file: Pick<FileHandle, 'read'>): AsyncGenerator<NdjsonLine, void, undefined> {
  const chunk = Buffer.allocUnsafe(chunkBytes)
  let parts: Buffer[] = []
  let held = 0
  let tooLong = false
  let line = 0
  let position = 0

  const finish = (bytesRead: number): NdjsonLine | undefined => {
    line += 1
    const found: NdjsonLine = tooLong
      ? { line, bytesRead, text: undefined, fault: `is longer than ${maxLineBytes} bytes` }
      : lineOf(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts), line, bytesRead)
    parts = []
    held = 0
    tooLong = false
    return found.text?.trim() === '' ? undefined : found
  }
  const take = (bytes: Buffer): void => {
    held += bytes.length
    if (held > maxLineBytes) {
      tooLong = true
      parts = []
    } else if (!tooLong) parts.push(bytes)
  }

  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, position)
    if (bytesRead === 0) break
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0 && end < bytesRead; end = chunk.indexOf(newline, start)) {
      take(chunk.subarray(start, end))
      start = end + 1
      const found = finish(position + start)
      if (found !== undefined) yield found
    }
    // What is left of the chunk is copied: the chunk is read into again.
    if (start < bytesRead) take(Buffer.from(chunk.subarray(start, bytesRead)))
    position += bytesRead
  }
  if (held > 0) {
    const found = finish(position)
    if (found !== undefined) yield found
  }
}
