import { ChartwardenError } from '../../../kernel/errors.ts'
import type { ClinicEntries } from '../../clinic-entries.ts'
import type { Ledger, StoredEntry } from '../../ledger.ts'
import { createMergedReads } from './merged-reads.ts'

/** An entry by id (UUID in lower case) or revision. Throws ENTRY_UNKNOWN, and CLINIC_NOT_ALLOWED where there is no such clinic. */
export type FindEntry = (clinic: string, key: string | bigint) => Promise<StoredEntry>

/** Revisions the ledger can number. */
const maxRevision = 2n ** 63n - 1n

export interface FindEntryOptions {
  readonly entries: ClinicEntries
  readonly ledger: Pick<Ledger, 'head'>
}

/** Asks for many entries of one clinic together, so that many who wait for receipts are no burden on those who read. */
export const createFindEntry = ({ entries, ledger }: FindEntryOptions): FindEntry => {
  const reads = createMergedReads<string, StoredEntry>({
    read: async (clinic, keys) => {
      const [ids, revisions] = [keys.filter((key) => key.includes('-')), keys.filter((key) => !key.includes('-'))]
      const found = new Map(ids.length === 0 ? [] : await entries.find(clinic, ids))
      for (const revision of revisions) {
        for await (const entry of entries.read(clinic, BigInt(revision), BigInt(revision))) found.set(revision, entry)
      }
      return found
    },
  })
  return async (clinic, key) => {
    const found = typeof key === 'bigint' && key > maxRevision ? undefined : (await reads(clinic, [String(key)])).get(String(key))
    if (found !== undefined) return found
    throw new ChartwardenError((await ledger.head(clinic)) === undefined ? 'CLINIC_NOT_ALLOWED' : 'ENTRY_UNKNOWN')
  }
}
