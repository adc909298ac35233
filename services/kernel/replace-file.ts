import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Asks the disk for what a directory lists. Windows keeps that with the file itself and opens no directories. */
export const syncDirectory = async (directory: string): Promise<void> => {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Puts a file in the place of another, or where none was, readable by its owner alone. Once it resolves the new content is on the disk;
 * whenever the machine stops, there is the old content or the new, whole. One call a file at a time.
 */
export const replaceFile = async (file: string, content: string): Promise<void> => {
  const draft = `${file}.new`
  const handle = await open(draft, 'w', 0o600)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
  await syncDirectory(dirname(file))
}
