/** What the log says of a witness: once when something changes, and loudly where it says that a ledger went back or forked. */
import type { Logger } from '../../kernel/logging.ts'
import type { Asked, WitnessTarget } from './asked-witness.ts'

export interface OutcomeToTell extends Asked {
  /** Name in the policy. */
  readonly witness: string
  readonly target: WitnessTarget
}

/** The innermost reason in a word or two, e.g. ECONNREFUSED: that somebody else's machine does not answer is no fault to trace. */
const whyUnavailable = (cause: unknown): string => {
  if (!(cause instanceof Error)) return 'unknown'
  if (cause.cause instanceof Error) return whyUnavailable(cause.cause)
  const { code, message } = cause as NodeJS.ErrnoException
  return typeof code === 'string' ? code : message
}

export const tellOutcome = (logger: Pick<Logger, 'info' | 'warn' | 'error'>, { witness, target, outcome, before }: OutcomeToTell): void => {
  if (outcome.kind === before) return
  const fields = { witness, clinic: target.clinic, size: String(target.size) }
  switch (outcome.kind) {
    case 'cosigned':
      if (before !== undefined) logger.info({ event: 'witness.cosigned', ...fields }, 'a witness cosigns again')
      return
    case 'superseded':
      return
    case 'ahead':
      logger.error(
        { event: 'witness.ahead', ...fields, witnessed: String(outcome.size) },
        'a witness says that it has cosigned a larger checkpoint of this log than there is: the ledger was rolled back, or the witness is wrong; see deploy/runbooks/witness-disputes.md',
      )
      return
    case 'disagrees':
      logger.error(
        { event: 'witness.disagrees', ...fields, witnessed: String(outcome.size) },
        'a witness says that it has cosigned another history of this log: the ledger was changed, or the witness is wrong; see deploy/runbooks/witness-disputes.md',
      )
      return
    case 'unproven':
      logger.error({ event: 'witness.unproven', ...fields }, 'the tiles of this log do not prove its checkpoint; no witness was asked')
      return
    case 'refused':
      logger.warn({ event: 'witness.refused', ...fields, status: outcome.status }, 'a witness does not know this log or its key')
      return
    case 'unavailable':
      logger.warn(
        { event: 'witness.unavailable', ...fields, why: whyUnavailable(outcome.cause) },
        'a witness does not answer; it is asked again',
      )
      return
    case 'nonsense':
      logger.warn({ event: 'witness.nonsense', ...fields, why: outcome.why }, 'a witness answers what the protocol does not have')
      return
    default:
      outcome satisfies never
  }
}
