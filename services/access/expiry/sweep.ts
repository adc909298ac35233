import { composeEntry } from '../../audit/compose-entry.ts'
import type { NewEntry } from '../../audit/ledger.ts'
import { canonicalJson } from '../../kernel/canonical-json.ts'
import type { Clock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import { pause } from '../../kernel/pause.ts'
import type { ClinicWriter } from '../clinic-writer.ts'
import { stateChanging } from '../events.ts'
import { type Ended, endedBy } from './due.ts'

export interface SweepOptions {
  readonly randomness: Randomness
  readonly clock: Clock
  /** How long ago something must have ended by ledger time to be said so, in milliseconds. Defaults to 1,000: clocks differ. */
  readonly marginMs?: number
  /** Entries of one append. Defaults to 256. */
  readonly maxEntries?: number
  /** Rest between two appends of one clinic, in which its decisions get their turn: each append moves the state. Milliseconds; defaults to 50. */
  readonly restMs?: number
}

/** Records what has ended in one clinic; resolves with how many entries this replica wrote. Throws faults of the ledger. */
export type Sweep = (writer: ClinicWriter, signal: AbortSignal) => Promise<number>

const appendTimeoutMs = 5_000
const operation = 'expire'

/** Nothing had ended on the state the append would rest on. */
class NothingEnded extends Error {}

const stuck = (what: string): ChartwardenError =>
  new ChartwardenError('INTERNAL', { cause: new Error(`an expiry ${what}, yet the state holds what it ended`) })

export const createSweep = ({ randomness, clock, marginMs = 1_000, maxEntries = 256, restMs = 50 }: SweepOptions): Sweep => {
  /** Id and digest derive from what ended alone: whichever replica comes second is told that the entry stands. */
  const compose = ({ clinic, vault, entryId }: ClinicWriter, { key, event }: Ended, time: number): Promise<NewEntry> =>
    composeEntry(vault, randomness, {
      clinic,
      id: entryId(operation, key, 0),
      type: event.type,
      stateChanging: stateChanging[event.type],
      time,
      provenance: { caller: 'chartwarden' },
      requestDigest: vault.requestDigest(canonicalJson({ operation, key })),
      data: event.data,
    })

  const append = (writer: ClinicWriter) =>
    writer.commit<readonly Ended[]>(
      {
        decide: (state, time) => endedBy(state, time - marginMs, maxEntries),
        notAfter: () => undefined,
        entries: (ended, time) => {
          if (ended.length === 0) throw new NothingEnded()
          return Promise.all(ended.map((item) => compose(writer, item, time)))
        },
      },
      clock.monotonic() + appendTimeoutMs,
    )

  return async (writer, signal) => {
    let written = 0
    while (!signal.aborted) {
      const before = writer.state.revision
      try {
        const committed = await append(writer)
        if (committed.kind === 'stored') {
          written += committed.entries.length
          if (committed.entries.length < maxEntries) return written
        }
        // Another replica has written some of them: its entries come with the state.
        if (committed.kind === 'mismatch') await writer.refresh()
        if (writer.state.revision === before) throw stuck(committed.kind === 'mismatch' ? 'stands under another digest' : 'is stored')
      } catch (error) {
        if (error instanceof NothingEnded) return written
        throw error
      }
      if (restMs > 0) await pause(restMs, signal)
    }
    return written
  }
}
