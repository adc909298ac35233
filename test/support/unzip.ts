import { readFile } from 'node:fs/promises'
import { fromBuffer } from 'yauzl'

/** What a reader of ZIP that nobody here wrote finds: every name in order, and the contents of the first so many. */
export const unzip = async (file: string, contents = Number.POSITIVE_INFINITY): Promise<ReadonlyMap<string, Buffer | undefined>> => {
  const bytes = await readFile(file)
  return new Promise((resolve, reject) => {
    fromBuffer(bytes, { lazyEntries: true, strictFileNames: true }, (error, zip) => {
      if (error !== null) return reject(error)
      const files = new Map<string, Buffer | undefined>()
      zip.on('entry', (entry) => {
        if (files.has(entry.fileName)) return reject(new Error(`${entry.fileName} twice`))
        if (files.size >= contents) {
          files.set(entry.fileName, undefined)
          return zip.readEntry()
        }
        zip.openReadStream(entry, async (failed, stream) => {
          if (failed !== null) return reject(failed)
          files.set(entry.fileName, Buffer.concat(await stream.toArray()))
          zip.readEntry()
        })
      })
      zip.on('end', () => resolve(files))
      zip.on('error', reject)
      zip.readEntry()
    })
  })
}
