/** Where backups go, to whom they are encrypted and when they are made. */
import type { BackupPlace } from './config-kinds.ts'
import type { Reader } from './config-reader.ts'
import { rows } from './config-variables.ts'
import { liesIn } from './lies-in.ts'

export type BackupTarget =
  | Extract<BackupPlace, { kind: 'directory' }>
  /** `endpoint` undefined: Amazon's own. */
  | (Extract<BackupPlace, { kind: 's3' }> & { readonly endpoint: string | undefined })

export interface BackupSettings {
  readonly target: BackupTarget
  readonly recipientsFile: string
  /** Between two backups; 0: none are made but those asked for. */
  readonly hours: number
  /** After which a full one is due. */
  readonly fullDays: number
  /** Full ones that are kept with what rests on them. */
  readonly keep: number
}

/** Undefined: none is named. */
export const readBackupTarget = ({ read }: Pick<Reader, 'read'>): BackupTarget | undefined => {
  const place = read(rows.backupTarget)
  const endpoint = read(rows.backupEndpoint)
  if (place === undefined) return undefined
  return Object.freeze(place.kind === 's3' ? { ...place, endpoint } : place)
}

/** Undefined: none are made. */
export const readBackup = ({ mode, problems, read, always }: Reader): BackupSettings | undefined => {
  const target = readBackupTarget({ read })
  const recipientsFile = read(rows.backupRecipientsFile)
  const settings = { hours: always(rows.backupHours), fullDays: always(rows.backupFullDays), keep: always(rows.backupKeep) }
  if (target === undefined) return undefined
  if (recipientsFile === undefined) {
    problems.add(`${rows.backupTarget.name} needs ${rows.backupRecipientsFile.name} beside it.`)
    return undefined
  }
  // Its ledgers are not in the database, so that a backup of that would look whole and hold no entry.
  if (read(rows.kurrentUrl) !== undefined) {
    problems.add(`${rows.backupTarget.name} is for ledgers in Postgres; back up ${rows.kurrentUrl.name} with the tools of that server.`)
  }
  const stateDir = always(rows.stateDir)
  if (mode === 'production' && target.kind === 'directory' && liesIn(target.directory, stateDir)) {
    problems.add(`${rows.backupTarget.name} lies in ${rows.stateDir.name} (${stateDir}); what takes one of them must not take the other.`)
  }
  return Object.freeze({ target, recipientsFile, ...settings })
}
