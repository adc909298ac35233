import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Gives an empty directory that any account can enter, and removes it afterwards. */
export const withScratch = async <Result>(work: (scratch: string) => Promise<Result>): Promise<Result> => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-faults-'))
  chmodSync(scratch, 0o711)
  try {
    return await work(scratch)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
