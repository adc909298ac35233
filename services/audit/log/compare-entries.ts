/**
 * A ledger of this installation against its log, its newest checkpoint and what the signer store says was signed last. The keys of the log are
 * the vault's, and the signer store lies outside the database, so that both count here for as much as what somebody outside has kept.
 */
import type { Wanted } from '../../kernel/clinic-gate.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { ClinicRows } from '../clinic-entries.ts'
import type { Ledger } from '../ledger.ts'
import type { CheckResult } from './ledger-check.ts'
import type { LogKeys } from './log-keys.ts'
import type { LogReader } from './log-store.ts'
import type { VerifierKey } from './note.ts'
import { readOwnLedger } from './own-ledger.ts'
import type { SignedHead } from './signer-store.ts'
import type { Fault } from './verify/fault.ts'
import type { Head } from './verify/judge.ts'
import type { ChangesState } from './verify/plain-faults.ts'
import type { LedgerReport } from './verify/report.ts'
import { verifyLedger } from './verify/verify-ledger.ts'

export interface CompareEntriesOptions {
  readonly rows: ClinicRows['rows']
  readonly reader: Pick<LogReader, 'log' | 'tiles' | 'checkpoint'>
  readonly keys: Pick<LogKeys, 'known'>
  /** What was signed last for the clinic's log, by the signer store; undefined where nothing is signed here, or nothing was. */
  readonly signed: (clinic: string) => Promise<SignedHead | undefined>
  readonly ledger: Pick<Ledger, 'head'>
  /** Knows the types of entries. */
  readonly changesState: ChangesState
}

export type EntriesCompared = Pick<CheckResult, 'size' | 'root' | 'checkpoint' | 'faults' | 'moreFaults'>

/** What the signer store says, to be judged by like a checkpoint that somebody outside has kept. */
export const recordOf = ({ origin, size, root }: SignedHead): Head => ({
  origin,
  size,
  root,
  outside: true,
  givenOut: false,
  label: 'what the signer store says was signed last',
})

/** Entries that the clinic's head counts and that are not there, where nothing else says so already. */
const headFaults = ({ clinic, size, faults }: LedgerReport, claimed: bigint): readonly Fault[] => {
  if (size >= claimed || faults.some(({ kind }) => kind === 'ledger_truncated' || kind === 'ledger_rolled_back')) return []
  const detail = 'These entries are not there any more; the database itself still says that they were.'
  return [{ kind: 'ledger_truncated', clinic, revision: size, lastRevision: claimed - 1n, detail }]
}

/** `keys`: undefined where the vault cannot open what is stored. */
const keyFaults = ({ clinic, size }: LedgerReport, keys: readonly VerifierKey[] | undefined): readonly Fault[] => {
  if (keys !== undefined) return []
  const detail = 'A stored key of the log is not one that was made here, or its public part was replaced.'
  return [{ kind: 'key_replaced', clinic, revision: 0n, lastRevision: size > 0n ? size - 1n : 0n, detail }]
}

export const createCompareEntries = (options: CompareEntriesOptions) => {
  const { rows, reader, keys, signed, ledger, changesState } = options

  const keysOf = async (clinic: string, origin: string): Promise<readonly VerifierKey[] | undefined> => {
    try {
      return (await keys.known(clinic)).map((key) => key.verifierKey(origin))
    } catch (thrown) {
      if (thrown instanceof ChartwardenError && thrown.reason === 'INTERNAL') return undefined
      throw thrown
    }
  }

  return async (clinic: string, passed: (done: bigint, total: bigint) => Promise<void>, wanted: Wanted): Promise<EntriesCompared> => {
    // In this order: each covers no more than what is read after it.
    const last = await signed(clinic)
    const published = await reader.checkpoint(clinic)
    const log = await reader.log(clinic)
    const claimed = ((await ledger.head(clinic))?.revision ?? -1n) + 1n
    const known = log === undefined ? [] : await keysOf(clinic, log.origin)
    const report = await verifyLedger({
      source: {
        clinic,
        published: published === undefined ? [] : [published.checkpoint.note],
        verifierKeys: [],
        claimedSize: claimed,
        hasColumns: true,
        read: () => readOwnLedger({ clinic, rows, reader, log, total: claimed, passed, wanted }),
      },
      anchors: { checkpoints: [], receipts: [], keys: known ?? [] },
      records: last === undefined ? [] : [recordOf(last)],
      changesState,
    })
    const faults = [...report.faults, ...keyFaults(report, known), ...headFaults(report, claimed)]
    return {
      size: report.size,
      root: Buffer.from(report.root ?? '', 'base64'),
      checkpoint: published && { note: published.checkpoint.note, size: published.checkpoint.size },
      faults,
      moreFaults: report.moreFaults,
    }
  }
}
