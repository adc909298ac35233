/** Writes nothing: compares what would be written with what a file holds, byte by byte and without keeping either. */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { BundleError } from './bundle.ts'
import { createFileWindow } from './file-window.ts'
import type { OpenSpool } from './spool.ts'
import type { ZipSink } from './zip-writer.ts'

export interface FileComparison {
  readonly sink: ZipSink
  readonly openSpool: OpenSpool
}

const pieceBytes = 262_144

/** Both throw BundleError at the first difference. */
export const compareFile = (file: FileHandle): FileComparison => {
  const window = createFileWindow(file)
  const differs = (name: string): BundleError => new BundleError(`${name} is not as it was written`)
  return {
    sink: {
      write: async (bytes, within) => {
        if (!(await window.read(bytes.length)).equals(bytes)) throw differs(within)
      },
    },
    // What is put aside stands in the file already, at the place where it will be asked for.
    openSpool: async (name) => {
      const expected = createHash('sha256')
      let size = 0
      return {
        write: async (bytes) => {
          expected.update(bytes)
          size += bytes.length
        },
        async *read() {
          const found = createHash('sha256')
          const start = window.position
          for (let done = 0; done < size; ) {
            const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(pieceBytes, size - done)), 0, undefined, start + done)
            if (bytesRead === 0) throw differs(name)
            const piece = buffer.subarray(0, bytesRead)
            found.update(piece)
            yield piece
            done += bytesRead
          }
          if (!found.digest().equals(expected.digest())) throw differs(name)
        },
        close: async () => {},
      }
    },
  }
}
