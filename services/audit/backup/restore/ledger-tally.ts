/** What the entries of a backup make of each ledger, counted and hashed as they pass; against what the backup says that they make. */
import { noState } from '../../ledger.ts'
import { emptyRoot } from '../../log/tree-hash.ts'
import { createTreeHasher, type TreeHasher } from '../../log/tree-hasher.ts'
import { BackupError } from '../backup-error.ts'
import type { ClinicRecord, EntryRecord } from '../backup-format.ts'

export interface TalliedLedger {
  readonly clinic: string
  /** Entries. */
  readonly size: bigint
  readonly stateRevision: bigint
}

export interface LedgerTally {
  /** Throws BackupError for an entry that is not the next one of its ledger. */
  take(entry: EntryRecord): void
  /** Every ledger, the empty ones too. Throws BackupError, naming the clinic, unless they are the ones announced, root for root. */
  compare(announced: ReadonlyMap<string, ClinicRecord>): readonly TalliedLedger[]
}

interface Tallied {
  readonly hasher: TreeHasher
  stateRevision: bigint
}

const differs = (clinic: string, what: string): BackupError =>
  new BackupError('content', `The entries of clinic ${clinic} are not those that were backed up: ${what}.`)

export const createLedgerTally = (): LedgerTally => {
  const ledgers = new Map<string, Tallied>()

  const check = ({ clinic, size, stateRevision, root }: ClinicRecord): TalliedLedger => {
    const tallied = ledgers.get(clinic)
    const found = tallied?.hasher.size ?? 0n
    if (found !== size) throw differs(clinic, `${found} instead of ${size} are there`)
    if (!(tallied?.hasher.root() ?? emptyRoot()).equals(root)) throw differs(clinic, 'they have another root')
    if ((tallied?.stateRevision ?? noState) !== stateRevision) throw differs(clinic, 'another one is the last that changes the state')
    return { clinic, size, stateRevision }
  }

  return {
    take: ({ clinic, revision, stateChanging, bytes }) => {
      const ledger = ledgers.get(clinic) ?? { hasher: createTreeHasher(), stateRevision: noState }
      ledgers.set(clinic, ledger)
      const { size } = ledger.hasher
      if (revision !== size) throw differs(clinic, `revision ${revision} stands where ${size} belongs`)
      ledger.hasher.append(bytes)
      if (stateChanging) ledger.stateRevision = revision
    },
    compare: (announced) => {
      const unannounced = ledgers.keys().find((clinic) => !announced.has(clinic))
      if (unannounced !== undefined) throw differs(unannounced, 'the backup does not tell of this clinic')
      return [...announced.values()].map(check)
    },
  }
}
