/** A file system of a few megabytes, which only root on Linux can make. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export interface SmallDisk {
  readonly directory: string
  /** Leaves no byte free. */
  fill(): void
  /** As it was before. */
  empty(): void
  /** Everything on it is gone; whatever runs on it must have ended. */
  unmount(): void
}

/** Why there can be none here; undefined: there can. */
export const noSmallDisk = (): string | undefined =>
  process.platform === 'linux' && process.getuid?.() === 0 ? undefined : 'a small file system needs Linux and root'

const mebibyte = 1_048_576

export const mountSmallDisk = (directory: string, mebibytes: number): SmallDisk => {
  mkdirSync(directory)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'chartwarden-faults', directory])
  chmodSync(directory, 0o711)
  const ballast = (piece: number): string => path.join(directory, `ballast-${piece}`)
  let pieces = 0
  const put = (bytes: number): void => {
    try {
      writeFileSync(ballast(pieces), Buffer.alloc(bytes))
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown
    }
    pieces += 1
  }
  return {
    directory,
    fill: () => {
      const free = (): number => ((disk) => disk.bavail * disk.bsize)(statfsSync(directory))
      // Others write too, and a piece that does not fit leaves its beginning.
      while (free() > 0) put(Math.min(free(), 16 * mebibyte))
    },
    empty: () => {
      for (; pieces > 0; pieces -= 1) rmSync(ballast(pieces - 1), { force: true })
    },
    unmount: () => {
      execFileSync('umount', ['--lazy', directory])
      rmSync(directory, { recursive: true })
    },
  }
}
