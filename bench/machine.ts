import { execFileSync } from 'node:child_process'
import os from 'node:os'

/** What a figure must stand beside: when, on what, with what. */
export const machine = (): string => {
  const [cpu] = os.cpus()
  return `${new Date().toISOString().slice(0, 10)}, ${os.cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${Math.round(os.totalmem() / 2 ** 30)} GiB, Node ${process.version}`
}

const git = (...args: string[]): string => execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()

/** Of the sources; `-dirty` behind it when some were changed. */
export const commit = (): string => {
  try {
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '-dirty'}`
  } catch {
    return 'unknown'
  }
}
