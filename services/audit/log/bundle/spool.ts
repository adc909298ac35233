/** What is known only behind everything else, such as an index, is put aside while the rest is written, and read back once. */
import { open } from 'node:fs/promises'

export interface Spool {
  write(bytes: Uint8Array): Promise<void>
  /** Everything written, from the beginning; nothing is written any more. */
  read(): AsyncIterable<Buffer>
  /** Lets go of it; nothing is left behind. Safe to call more than once. */
  close(): Promise<void>
}

/** `name`: what is put aside, for messages. */
export type OpenSpool = (name: string) => Promise<Spool>

const pieceBytes = 262_144

/** In a file beside the bundle, readable by its owner alone: it holds what the bundle holds. */
export const fileSpool = async (file: string, remove: (file: string) => Promise<void>): Promise<Spool> => {
  const handle = await open(file, 'wx+', 0o600)
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  let size = 0
  let closed = false
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(waiting)
    waiting = []
    waitingBytes = 0
    let written = 0
    while (written < bytes.length) written += (await handle.write(bytes, written, bytes.length - written, size + written)).bytesWritten
    size += bytes.length
  }
  return {
    write: async (bytes) => {
      waiting.push(bytes)
      waitingBytes += bytes.length
      if (waitingBytes >= pieceBytes) await flush()
    },
    async *read() {
      await flush()
      for (let position = 0; position < size; ) {
        const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(Math.min(pieceBytes, size - position)), 0, undefined, position)
        if (bytesRead === 0) throw new Error('a file put aside was cut')
        yield buffer.subarray(0, bytesRead)
        position += bytesRead
      }
    },
    close: async () => {
      if (closed) return
      closed = true
      await handle.close()
      await remove(file)
    },
  }
}
