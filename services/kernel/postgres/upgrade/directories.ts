/**
 * The directories of an upgrade, beside the data directory, and the one way they change places. The data directory is not touched before
 * the new one is complete and verified; it is then moved aside and kept. Whoever calls holds the state lock.
 */
import { existsSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { syncDirectory } from '../data-directory.ts'

export interface UpgradeDirectories {
  /** The new one while it is filled; worthless after a crash. */
  readonly filling: string
  /** The new one when every row in it has been compared. */
  readonly verified: string
  /** The old one afterwards. */
  readonly kept: string
}

export const upgradeDirectories = (dataDirectory: string, oldMajor: string): UpgradeDirectories => ({
  filling: `${dataDirectory}.upgrading`,
  verified: `${dataDirectory}.verified`,
  kept: `${dataDirectory}.postgresql-${oldMajor}`,
})

/** Puts the filled directory in the place of the old one. A crash between the renames is finished by `finishSwitch`. */
export const switchDirectories = (dataDirectory: string, { filling, verified, kept }: UpgradeDirectories): void => {
  const parent = path.dirname(dataDirectory)
  for (const [from, to] of [
    [filling, verified],
    [dataDirectory, kept],
    [verified, dataDirectory],
  ] as const) {
    renameSync(from, to)
    syncDirectory(parent)
  }
}

/**
 * Finishes a switch that a crash cut short, before anyone could take the missing data directory for a first start. Where the old one is
 * still in its place nothing was switched, and it may have grown since: then what was verified is worthless and goes.
 */
export const finishSwitch = (dataDirectory: string): void => {
  const { verified } = upgradeDirectories(dataDirectory, '')
  if (!existsSync(verified)) return
  if (existsSync(dataDirectory)) rmSync(verified, { recursive: true, force: true, maxRetries: 5 })
  else renameSync(verified, dataDirectory)
  syncDirectory(path.dirname(dataDirectory))
}
