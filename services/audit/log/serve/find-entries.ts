import { ChartwardenError } from '../../../kernel/errors.ts'
import type { ClinicEntries } from '../../clinic-entries.ts'
import type { Ledger, StoredEntry } from '../../ledger.ts'
import { createMergedReads } from './merged-reads.ts'

/**
 * An entry by id (UUID in lower case) or revision. Throws ENTRY_UNKNOWN, CLINIC_NOT_ALLOWED where there is no such clinic, and LEDGER_REGRESSED
 * for a revision that was signed and is not there.
 */
export type FindEntry = (clinic: string, key: string | bigint) => Promise<StoredEntry>

/** Revisions the ledger can number. */
const maxRevision = 2n ** 63n - 1n

export interface FindEntryOptions {
  readonly entries: ClinicEntries
  readonly ledger: Pick<Ledger, 'head'>
  /** Entries in the newest head that was signed for the clinic; undefined: it is not known here. */
  readonly signed: (clinic: string) => Promise<bigint | undefined>
}

const missing = (revision: bigint, signed: bigint): ChartwardenError =>
  new ChartwardenError('LEDGER_REGRESSED', {
    message:
      `The entry of revision ${revision} was signed (${signed} entries were) and is missing from the ledger: a restored backup or a lost ` +
      'failover. An operator has to look (docs/how-to/mend-a-log.md).',
  })

/** Asks for many entries of one clinic together, so that many who wait for receipts are no burden on those who read. */
export const createFindEntry = ({ entries, ledger, signed }: FindEntryOptions): FindEntry => {
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
    if ((await ledger.head(clinic)) === undefined) throw new ChartwardenError('CLINIC_NOT_ALLOWED')
    const size = typeof key === 'bigint' ? await signed(clinic) : undefined
    if (typeof key === 'bigint' && size !== undefined && key < size) throw missing(key, size)
    throw new ChartwardenError('ENTRY_UNKNOWN')
  }
}
