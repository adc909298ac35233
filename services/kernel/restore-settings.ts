/** What opens backups, and where one is restored for the sake of trying. */
import { join } from 'node:path'
import type { Reader } from './config-reader.ts'
import { rows } from './config-variables.ts'

export interface ScratchSettings {
  /** Undefined: a server of its own in the directory. */
  readonly serverUrl: string | undefined
  readonly directory: string
}

export interface DrillSettings {
  /** Between two drills; at least 1. */
  readonly hours: number
  readonly identityFile: string
  readonly scratch: ScratchSettings
}

export const readScratch = ({ read, always }: Pick<Reader, 'read' | 'always'>): ScratchSettings =>
  Object.freeze({ serverUrl: read(rows.drillDatabaseUrl), directory: join(always(rows.stateDir), 'drill') })

/** Undefined: none are made by schedule. */
export const readDrill = (reader: Reader): DrillSettings | undefined => {
  const { problems, read, always } = reader
  const hours = always(rows.drillHours)
  const identityFile = read(rows.backupIdentityFile)
  if (hours === 0) return undefined
  for (const needed of [rows.backupTarget, rows.backupIdentityFile])
    if (read<unknown>(needed) === undefined) problems.add(`${rows.drillHours.name} needs ${needed.name} beside it.`)
  return identityFile === undefined ? undefined : Object.freeze({ hours, identityFile, scratch: readScratch(reader) })
}
