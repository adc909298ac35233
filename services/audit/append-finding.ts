/** What the service has found out by itself, as an entry: no state makes it wrong, and asked for again it is the one that is there. */
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { Ledger, NewEntry, StoredEntry } from './ledger.ts'

const timeoutMs = 10_000

/** The entry as it is stored, also where it was before. Throws CLINIC_NOT_ALLOWED where there is no such ledger, OVERLOADED, and what the ledger throws. */
export const appendFinding = async (
  { ledger, clock }: { readonly ledger: Pick<Ledger, 'append'>; readonly clock: Clock },
  clinic: string,
  entry: NewEntry,
): Promise<StoredEntry> => {
  const outcome = await ledger.append({ clinic, entries: [entry], restsOn: 'any', deadline: clock.monotonic() + timeoutMs })
  switch (outcome.kind) {
    case 'stored':
      return { ...entry, clinic, revision: outcome.revisions[0] as bigint, recordedAt: outcome.ledgerTime }
    case 'duplicate':
      return outcome.originals[0] as StoredEntry
    case 'moved':
      throw new ChartwardenError('CLINIC_NOT_ALLOWED')
    case 'stale':
      throw new ChartwardenError('OVERLOADED')
    case 'mismatch':
      throw new ChartwardenError('INTERNAL', {
        cause: new Error(`a finding of type ${entry.type} stands in the ledger under another digest`),
      })
  }
}
