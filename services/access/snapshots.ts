/**
 * Snapshots spare a clinic's writer the folding of its whole past. One that does not open is ignored, said in the log and written anew from
 * what the ledger holds; one that opens but does not stand in this ledger shows that the ledger has lost entries. No decision waits for one
 * being written, and none fails because one could not be.
 */
import { hash } from 'node:crypto'
import type { Ledger, StoredEntry } from '../audit/ledger.ts'
import type { ClinicVault } from '../audit/vault.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Logger } from '../kernel/logging.ts'
import { captureState } from './snapshot/capture.ts'
import { snapshotFormat } from './snapshot/format.ts'
import { inSlices } from './snapshot/in-slices.ts'
import { type RestoredState, restoreState } from './snapshot/restore.ts'
import { serialiseState } from './snapshot/serialise.ts'
import type { SnapshotStore, StoredSnapshot } from './snapshot-store.ts'
import type { ClinicState } from './state.ts'

export interface SnapshotsOptions {
  readonly store: SnapshotStore
  readonly ledger: Pick<Ledger, 'read'>
  readonly clock: Clock
  readonly logger: Logger
  /** More state-changing entries than these folded since the stored snapshot, and a new one is written. Defaults to 1,000. */
  readonly every?: number
  /** Told what became of each snapshot, for metrics. Must not throw. */
  readonly onSnapshot?: ((outcome: SnapshotOutcome) => void) | undefined
}

export type SnapshotOutcome = 'opened' | 'refused' | 'not_read' | 'written' | 'not_written'

/** What one writer of a clinic has to do with snapshots. */
export interface ClinicSnapshots {
  /**
   * The state to fold on from; undefined when there is no snapshot that can be trusted. `regressed` when one that is authentic ends with an
   * entry that the ledger does not hold: the ledger once held more than it does now.
   */
  load(): Promise<ClinicState | 'regressed' | undefined>
  /** To be told each state-changing entry right after it was folded. */
  folded(entry: StoredEntry): void
  /** To be called after a reading: sees to it that a snapshot is written when one is due. Returns at once. */
  offer(state: ClinicState): void
}

export interface Snapshots {
  of(clinic: string, vault: ClinicVault): ClinicSnapshots
  /** Nothing is written from now on but what is being written; settles once that is done. */
  close(): Promise<void>
}

/** Why a snapshot was not used; stable, for those who search the log. */
type Refusal = 'other_format' | 'not_authentic' | 'not_readable' | 'ahead_of_ledger' | 'other_history'

const refusals: Readonly<Record<Refusal, { readonly level: 'info' | 'error'; readonly message: string }>> = {
  other_format: { level: 'info', message: 'the snapshot is of another version of the service; folding the ledger' },
  not_authentic: { level: 'error', message: 'the snapshot is not what was sealed for this clinic and revision; folding the ledger' },
  not_readable: { level: 'error', message: 'the snapshot cannot be read; folding the ledger' },
  ahead_of_ledger: {
    level: 'error',
    message: 'the snapshot is ahead of the ledger: a restored backup or a lost failover; the clinic is not served',
  },
  other_history: {
    level: 'error',
    message: 'the ledger has another entry where the snapshot was made: a restored backup or a lost failover; the clinic is not served',
  },
}

/** Names the entry that a snapshot ends with; its salt makes it one of a kind. */
const anchorOf = (entry: StoredEntry): string => hash('sha256', entry.bytes, 'base64url')

function* bytesOf(lines: Iterable<string>): Generator<undefined, Buffer> {
  const pieces: Buffer[] = []
  for (const text of lines) {
    pieces.push(Buffer.from(text, 'utf8'))
    yield
  }
  return Buffer.concat(pieces)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

export const createSnapshots = ({ store, ledger, clock, logger, every = 1_000, onSnapshot }: SnapshotsOptions): Snapshots => {
  let closed = false
  // One after the other, so that many clinics folding at once do not hold many serialised states.
  let writing: Promise<void> = Promise.resolve()

  const of = (clinic: string, vault: ClinicVault): ClinicSnapshots => {
    let last: StoredEntry | undefined
    let foldedSince = 0
    let waiting = false
    let refused: Pick<StoredSnapshot, 'format' | 'stateRevision'> | undefined

    const say = ({ stateRevision }: StoredSnapshot, refusal: Refusal): void => {
      const { level, message } = refusals[refusal]
      onSnapshot?.('refused')
      logger[level]({ event: 'snapshot.refused', clinic, refusal, stateRevision: `${stateRevision}` }, message)
    }
    const refuse = (snapshot: StoredSnapshot, refusal: Refusal): undefined => {
      refused = { format: snapshot.format, stateRevision: snapshot.stateRevision }
      say(snapshot, refusal)
    }
    const regressed = (snapshot: StoredSnapshot, refusal: Refusal): 'regressed' => {
      say(snapshot, refusal)
      return 'regressed'
    }

    const open = async (snapshot: StoredSnapshot): Promise<ClinicState | 'regressed' | undefined> => {
      const { format, stateRevision, sealed } = snapshot
      if (format !== snapshotFormat) return refuse(snapshot, 'other_format')
      const bytes = vault.openState({ clinic, format, stateRevision }, sealed)
      if (bytes === undefined) return refuse(snapshot, 'not_authentic')
      let restored: RestoredState
      try {
        restored = await inSlices(restoreState(utf8.decode(bytes)), clock)
      } catch {
        // The error may quote what it stumbled on.
        return refuse(snapshot, 'not_readable')
      }
      const { state, anchor } = restored
      if (state.revision !== stateRevision) return refuse(snapshot, 'not_readable')
      for await (const entry of ledger.read(clinic, stateRevision, stateRevision)) {
        return anchorOf(entry) === anchor ? state : regressed(snapshot, 'other_history')
      }
      return regressed(snapshot, 'ahead_of_ledger')
    }

    const write = async (state: ClinicState): Promise<void> => {
      // Capturing is one synchronous step, so the snapshot is of one revision although the state goes on changing.
      const [captured, entry, count, instead] = [captureState(state), last, foldedSince, refused]
      foldedSince = 0
      refused = undefined
      if (entry?.revision !== captured.revision) return
      const bytes = await inSlices(bytesOf(serialiseState(captured, anchorOf(entry))), clock)
      const context = { clinic, format: snapshotFormat, stateRevision: captured.revision }
      const sealed = vault.sealState(context, bytes)
      const kept = await store.write(clinic, { ...context, sealed }, instead)
      onSnapshot?.('written')
      const fields = { clinic, stateRevision: `${captured.revision}`, entries: count, bytes: sealed.length, kept }
      logger.debug({ event: 'snapshot.written', ...fields }, kept ? 'a snapshot was written' : 'a newer snapshot was there')
    }

    return {
      load: async () => {
        try {
          const snapshot = await store.read(clinic)
          if (snapshot === undefined) return undefined
          const state = await open(snapshot)
          if (state !== undefined && state !== 'regressed') {
            onSnapshot?.('opened')
            logger.debug({ event: 'snapshot.opened', clinic, stateRevision: `${state.revision}` }, 'the state was taken from its snapshot')
          }
          return state
        } catch (error) {
          onSnapshot?.('not_read')
          logger.warn({ event: 'snapshot.not_read', clinic, err: error }, 'the snapshot could not be read; folding the ledger')
          return undefined
        }
      },
      folded: (entry) => {
        last = entry
        foldedSince += 1
      },
      offer: (state) => {
        const due = foldedSince > every || (refused !== undefined && foldedSince > 0)
        if (closed || waiting || !due) return
        waiting = true
        writing = writing.then(async () => {
          try {
            if (!closed) await write(state)
          } catch (error) {
            onSnapshot?.('not_written')
            logger.warn({ event: 'snapshot.not_written', clinic, err: error }, 'a snapshot could not be written; going on without')
          } finally {
            waiting = false
          }
        })
      },
    }
  }

  return {
    of,
    close: async () => {
      closed = true
      await writing
    },
  }
}
