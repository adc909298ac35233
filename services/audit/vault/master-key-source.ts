import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { MasterKeySetting } from '../../kernel/config.ts'
import type { Randomness } from '../../kernel/ids.ts'
import { parseMasterKey } from '../../kernel/master-key-text.ts'
import { StartError } from '../../kernel/start-error.ts'

/**
 * Where the master key comes from. A key management service is one more source: it decrypts, once at the start, the key that is kept
 * encrypted under one of its own; what the service does with the key stays the same.
 */
export interface MasterKeySource {
  /** For the operator: which file, variable or key. */
  readonly name: string
  /** 32 bytes. Throws StartError, which names the source and never what it holds. */
  read(): Promise<Buffer>
  /** As `read`; makes the key where there is none. Only sources that can make one have it; called only while nothing is wrapped yet. */
  readonly readOrCreate?: () => Promise<Buffer>
}

const readKeyFile = async (file: string): Promise<Buffer> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new StartError(`The master key file ${file} cannot be read: ${code ?? 'unknown reason'}.`, { cause })
  }
  const key = parseMasterKey(text)
  if (key === undefined) throw new StartError(`The master key file ${file} must hold 32 bytes as base64 or hex.`)
  return key
}

/** A file that holds the key as base64 or hexadecimal digits. */
export const masterKeyFile = (file: string): MasterKeySource => ({ name: file, read: () => readKeyFile(file) })

/** A file that is made, readable by its owner alone, when it does not exist. For development. */
const madeMasterKeyFile = (file: string, randomness: Randomness): MasterKeySource => ({
  ...masterKeyFile(file),
  readOrCreate: async () => {
    await mkdir(dirname(file), { recursive: true })
    try {
      const handle = await open(file, 'wx', 0o600)
      try {
        await handle.writeFile(`${Buffer.from(randomness.bytes(32)).toString('base64')}\n`)
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    return readKeyFile(file)
  },
})

/** The source that the configuration names; without one, `master.key` in the state directory. */
export const masterKeySource = (setting: MasterKeySetting | undefined, stateDir: string, randomness: Randomness): MasterKeySource => {
  if (setting === undefined) return madeMasterKeyFile(join(stateDir, 'master.key'), randomness)
  if (setting.kind === 'file') return masterKeyFile(setting.file)
  return { name: 'CHARTWARDEN_MASTER_KEY', read: async () => setting.key }
}
