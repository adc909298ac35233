/**
 * Ledger time: the service's monotonic clock plus the offset learnt from the ledger's own clock (docs/explanation/deciding.md, "When the
 * clock decides"). What is learnt was stamped before it was received, so the time told here is behind the ledger's own clock by the way back,
 * and never ahead of it.
 */
import type { Clock } from '../kernel/clock.ts'

export interface LedgerClock {
  /** Ledger time in whole milliseconds since the epoch; the machine's wall clock until something was learnt. */
  now(): number
  /** Takes a reading of the ledger's clock (milliseconds since the epoch) and the monotonic reading at which it arrived. */
  learn(ledgerTime: number, receivedAtMonotonic: number): void
  /** Ledger time minus this machine's wall clock, in milliseconds; 0 until something was learnt. */
  skew(): number
}

export const createLedgerClock = ({ clock }: { readonly clock: Clock }): LedgerClock => {
  let offset: number | undefined
  return {
    now: () => Math.floor(offset === undefined ? clock.wall() : clock.monotonic() + offset),
    learn(ledgerTime, receivedAtMonotonic) {
      offset = ledgerTime - receivedAtMonotonic
    },
    skew: () => (offset === undefined ? 0 : Math.round(clock.monotonic() + offset - clock.wall())),
  }
}
