import { crc32 } from 'node:zlib'
import type { OpenSpool, Spool } from './spool.ts'
import { centralRecord, endOfArchive, localHeader, type ZipFile } from './zip-format.ts'

/** Where the archive goes, in order. */
export interface ZipSink {
  /** `within`: the file of the archive that they belong to, for messages. */
  write(bytes: Uint8Array, within: string): Promise<void>
}

/** A file whose size is known only once it is whole. */
export interface LateFile {
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

export interface ZipWriter {
  add(name: string, bytes: Uint8Array): Promise<void>
  /** Begins a file that stands behind all that are added until `addLate`. */
  late(name: string): Promise<LateFile>
  addLate(file: LateFile): Promise<void>
  /** The central directory. Answers the bytes of the whole archive. */
  end(): Promise<number>
  /** Lets go of what was put aside. Safe to call more than once, and after `end`. */
  close(): Promise<void>
}

interface Late extends LateFile {
  readonly name: string
  readonly spool: Spool
  readonly measured: { size: number; crc: number }
}

const directoryName = 'the directory at its end'

/** Writes an archive in one pass. The central directory is put aside too, so that memory does not grow with the number of files. */
export const createZipWriter = (sink: ZipSink, openSpool: OpenSpool): ZipWriter => {
  const lates: Late[] = []
  let directory: Late | undefined
  let files = 0
  let offset = 0

  const late = async (name: string): Promise<Late> => {
    const spool = await openSpool(name)
    const measured = { size: 0, crc: 0 }
    const made: Late = {
      name,
      spool,
      measured,
      write: async (bytes) => {
        measured.size += bytes.length
        measured.crc = crc32(bytes, measured.crc)
        await spool.write(bytes)
      },
      close: () => spool.close(),
    }
    lates.push(made)
    return made
  }
  const put = async (bytes: Uint8Array, within: string): Promise<void> => {
    await sink.write(bytes, within)
    offset += bytes.length
  }
  const begin = async (file: ZipFile): Promise<void> => {
    directory ??= await late(directoryName)
    await directory.write(centralRecord(file, offset))
    files += 1
    await put(localHeader(file), file.name)
  }
  const pour = async ({ name, spool }: Late): Promise<void> => {
    for await (const bytes of spool.read()) await put(bytes, name)
    await spool.close()
  }
  return {
    add: async (name, bytes) => {
      await begin({ name, size: bytes.length, crc: crc32(bytes) })
      await put(bytes, name)
    },
    late,
    addLate: async (file) => {
      const { name, measured } = file as Late
      await begin({ name, ...measured })
      await pour(file as Late)
    },
    end: async () => {
      const start = offset
      if (directory !== undefined) await pour(directory)
      await put(endOfArchive(files, offset - start, start), directoryName)
      return offset
    },
    close: async () => {
      for (const { spool } of lates.splice(0)) await spool.close()
    },
  }
}
