import { randomBytes } from 'node:crypto'
import type { SignerFiles } from '../../services/audit/log/signer/signer-files.ts'

interface File {
  bytes: Buffer
}

/** A disk that several processes share: each of them has a view of its own, made by `createMemorySignerFiles`. */
export type MemoryDisk = Map<string, File>

const missing = (): Error => Object.assign(new Error('no such file'), { code: 'ENOENT' })

/** The directory of a signer store as a model: nothing is cached. `between`: in the middle of an operation that has two steps. */
export const createMemorySignerFiles = (disk: MemoryDisk, between: () => Promise<unknown> = async () => {}): SignerFiles => ({
  directory: 'memory',
  prepare: async () => {},
  list: async () => [...disk.keys()],
  read: async (name) => {
    const file = disk.get(name)
    return file && Buffer.from(file.bytes)
  },
  create: async (name) => {
    if (disk.has(name)) return false
    disk.set(name, { bytes: Buffer.alloc(0) })
    return true
  },
  put: async (name, bytes) => {
    const unfinished = `${name}.${randomBytes(8).toString('hex')}.new`
    disk.set(unfinished, { bytes: Buffer.from(bytes) })
    await between()
    if (!disk.delete(unfinished)) throw missing()
    disk.set(name, { bytes: Buffer.from(bytes) })
  },
  openToAppend: async (name) => {
    const file = disk.get(name)
    if (file === undefined) throw missing()
    return {
      append: async (bytes) => {
        file.bytes = Buffer.concat([file.bytes, bytes])
      },
      stillThere: async () => disk.get(name) === file,
      close: async () => {},
    }
  },
  remove: async (name) => void disk.delete(name),
})

/** Every operation goes through `step` first, which may wait, or end the process by never going on. */
export const steppedFiles = (files: SignerFiles, step: (name: string) => Promise<unknown>): SignerFiles => ({
  directory: files.directory,
  prepare: () => step('prepare').then(() => files.prepare()),
  list: () => step('list').then(() => files.list()),
  read: (name) => step('read').then(() => files.read(name)),
  create: (name) => step('create').then(() => files.create(name)),
  put: (name, bytes) => step('put').then(() => files.put(name, bytes)),
  remove: (name) => step('remove').then(() => files.remove(name)),
  openToAppend: async (name) => {
    await step('open')
    const file = await files.openToAppend(name)
    return {
      append: (bytes) => step('append').then(() => file.append(bytes)),
      stillThere: () => step('still there').then(() => file.stillThere()),
      close: () => file.close(),
    }
  },
})
