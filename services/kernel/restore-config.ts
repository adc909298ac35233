import { type BackupTarget, readBackupTarget } from './backup-settings.ts'
import { type MasterKeySetting, readMasterKey, readSigning, type SigningSettings } from './config.ts'
import { type Environment, type Reader, refuse, startReading } from './config-reader.ts'
import type { Mode } from './config-row.ts'
import { rows } from './config-variables.ts'
import { type DatabaseUrls, readDatabaseUrls } from './database-settings.ts'
import { readScratch, type ScratchSettings } from './restore-settings.ts'

/** What the commands need that restore a backup, in earnest or for the sake of trying. */
export interface RestoreConfig {
  readonly stateDir: string
  readonly masterKey: MasterKeySetting | undefined
  readonly signing: SigningSettings | undefined
  readonly target: BackupTarget
  /** Undefined: the command has to name one. */
  readonly identityFile: string | undefined
  readonly scratch: ScratchSettings
}

const restoreConfig = (reader: Reader): RestoreConfig => {
  const target = readBackupTarget(reader)
  if (target === undefined) reader.problems.add(`${rows.backupTarget.name} is required.`)
  if (reader.read(rows.kurrentUrl) !== undefined) {
    reader.problems.add(
      `A backup is restored into PostgreSQL, and ${rows.kurrentUrl.name} is set: what it names is brought back with its own tools.`,
    )
  }
  return {
    stateDir: reader.always(rows.stateDir),
    masterKey: readMasterKey(reader),
    signing: readSigning(reader),
    target: target as BackupTarget,
    identityFile: reader.read(rows.backupIdentityFile),
    scratch: readScratch(reader),
  }
}

/** As `readConfig`, for those commands. Throws StartError where no target is configured. */
export const readRestoreConfig = (environment: Environment): RestoreConfig => {
  const reader = startReading(environment)
  const config = Object.freeze(restoreConfig(reader))
  refuse(reader.problems)
  return config
}

/** With where a drill is recorded. */
export interface DrillConfig extends RestoreConfig {
  readonly mode: Mode
  /** Undefined: the embedded database. */
  readonly databaseUrls: DatabaseUrls | undefined
}

/** As `readRestoreConfig`. */
export const readDrillConfig = (environment: Environment): DrillConfig => {
  const reader = startReading(environment)
  const config = Object.freeze({ ...restoreConfig(reader), mode: reader.mode, databaseUrls: readDatabaseUrls(reader) })
  refuse(reader.problems)
  return config
}
