import type { FileHandle } from 'node:fs/promises'

/** A file read from the beginning on. */
export interface FileWindow {
  readonly position: number
  /** The next bytes, fewer only where the file ends. They are valid until the next read. */
  read(length: number): Promise<Buffer>
}

const windowBytes = 1_048_576

export const createFileWindow = (file: FileHandle): FileWindow => {
  let held = Buffer.alloc(0)
  let start = 0
  let position = 0
  return {
    get position() {
      return position
    },
    read: async (length) => {
      const offset = position - start
      if (held.length - offset < length) {
        const wanted = Math.max(length, windowBytes)
        const fresh = Buffer.allocUnsafe(wanted)
        let filled = held.copy(fresh, 0, offset)
        start = position
        while (filled < wanted) {
          const { bytesRead } = await file.read(fresh, filled, wanted - filled, start + filled)
          if (bytesRead === 0) break
          filled += bytesRead
        }
        held = fresh.subarray(0, filled)
      }
      const from = position - start
      const bytes = held.subarray(from, from + length)
      position += bytes.length
      return bytes
    },
  }
}
