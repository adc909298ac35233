/** The ledger says itself that its log was begun anew, and what the one before had signed last. */
import { canonicalJson } from '../../kernel/canonical-json.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import { composeEntry } from '../compose-entry.ts'
import { entryId } from '../entry.ts'
import type { Ledger } from '../ledger.ts'
import type { Vault } from '../vault.ts'
import type { Standing } from './standing.ts'

export interface RestartAnnouncementOptions {
  /** Also takes what is refused to everybody else while the ledger is behind. */
  readonly ledger: Pick<Ledger, 'append'>
  readonly vault: Pick<Vault, 'clinic'>
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

const type = 'chartwarden.log.restarted.v1'

/** Harmless to repeat: the entry's id is that of the retired origin. A clinic that is not here (any more) gets none. */
export const createRestartAnnouncement =
  ({ ledger, vault, randomness, now }: RestartAnnouncementOptions) =>
  async ({ clinic, origin, retired }: Standing): Promise<void> => {
    const keys = await vault.clinic(clinic)
    if (retired?.retired === undefined || keys === undefined) return
    const entry = await composeEntry(keys, randomness, {
      clinic,
      id: entryId(clinic, 'log_restarted', retired.origin, 0),
      type,
      stateChanging: false,
      time: now(),
      provenance: { caller: 'chartwarden' },
      requestDigest: keys.requestDigest(canonicalJson({ operation: 'log_restarted', retired_origin: retired.origin })),
      data: {
        retired_origin: retired.origin,
        origin,
        signed_size: String(retired.size),
        signed_root: Buffer.from(retired.root).toString('base64'),
        cause: retired.retired.cause,
      },
    })
    const { kind } = await ledger.append({ clinic, entries: [entry], restsOn: 'any' })
    if (kind === 'mismatch' || kind === 'stale')
      throw new ChartwardenError('LEDGER_UNAVAILABLE', { cause: new Error(`that the log was begun anew could not be recorded: ${kind}`) })
  }
