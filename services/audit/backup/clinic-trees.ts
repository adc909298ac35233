/** The trees of all ledgers while their entries pass by, each going on from where the last backup left it. */

import { createTreeHasher, type TreeHasher } from '../log/tree-hasher.ts'
import { BackupError } from './backup-error.ts'
import type { ClinicRecord, EntryRecord, LogRecord } from './backup-format.ts'
import type { BackupMoment } from './backup-source.ts'

export interface ClinicTrees {
  /** Entries in the order of their positions. Throws BackupError `ledger_differs` where a ledger does not go on from what was backed up. */
  take(entries: readonly EntryRecord[]): void
  /** Every ledger, in order of clinic. Throws BackupError `ledger_differs` where one is not as long as its head says. */
  finish(): readonly ClinicRecord[]
  /** Clinics whose entries are not those of their newest checkpoint; known once all entries were taken. */
  readonly differing: ReadonlySet<string>
}

interface Published {
  readonly size: bigint
  readonly root: Buffer
}

/** Of each clinic the newest checkpoint of the log it has now. */
const newestCheckpoints = (logs: readonly LogRecord[]): ReadonlyMap<string, Published> => {
  const generations = new Map(logs.flatMap((record) => (record.kind === 'log' ? [[record.clinic, record.generation]] : [])))
  const newest = new Map<string, Published>()
  for (const record of logs) {
    if (record.kind !== 'checkpoint' || record.generation !== generations.get(record.clinic)) continue
    const known = newest.get(record.clinic)
    if (known === undefined || known.size < record.size) newest.set(record.clinic, record)
  }
  return newest
}

export const createClinicTrees = (
  { heads, logs }: Pick<BackupMoment, 'heads' | 'logs'>,
  before: ReadonlyMap<string, ClinicRecord>,
): ClinicTrees => {
  const published = newestCheckpoints(logs)
  const hashers = new Map<string, TreeHasher>()
  const differing = new Set<string>()

  const compare = (clinic: string, hasher: TreeHasher): void => {
    const checkpoint = published.get(clinic)
    if (checkpoint?.size === hasher.size && !hasher.root().equals(checkpoint.root)) differing.add(clinic)
  }

  const hasherOf = (clinic: string): TreeHasher => {
    const known = hashers.get(clinic)
    if (known !== undefined) return known
    const last = before.get(clinic)
    const hasher = createTreeHasher(last === undefined ? {} : { from: { size: last.size, levels: last.edge } })
    hashers.set(clinic, hasher)
    compare(clinic, hasher)
    return hasher
  }

  const differs = (clinic: string, why: string): BackupError =>
    new BackupError('ledger_differs', `The ledger of ${clinic} ${why}: the database is not the one that was backed up last.`)

  return {
    take: (entries) => {
      for (const { clinic, revision, bytes } of entries) {
        const hasher = hasherOf(clinic)
        if (revision !== hasher.size) throw differs(clinic, `goes on with revision ${revision}, not ${hasher.size}`)
        hasher.append(bytes)
        compare(clinic, hasher)
      }
    },
    finish: () => {
      const present = new Set(heads.map(({ clinic }) => clinic))
      for (const clinic of before.keys()) if (!present.has(clinic)) throw differs(clinic, 'is gone')
      return heads.map(({ clinic, size, stateRevision }) => {
        const hasher = hasherOf(clinic)
        if (hasher.size !== size) throw differs(clinic, `has ${hasher.size} entries where its head says ${size}`)
        return { clinic, size, stateRevision, root: hasher.root(), edge: hasher.edge().levels }
      })
    },
    differing,
  }
}
