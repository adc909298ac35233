import type { CallContext } from '../kernel/caller.ts'
import type { Authorised, AuthoriseReading, ReadingRequest } from './reading.ts'

export interface LongReading {
  readonly context: CallContext
  /** As it was authorised. */
  readonly request: ReadingRequest
  readonly authorised: Authorised
  readonly authorise: AuthoriseReading
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * For a reading that goes on for a while: decides the person again once the state has moved or the permission has run out, before anything
 * more is sent. Throws what authorising throws.
 */
export const stillPermitted = ({ context, request, authorised, authorise, now }: LongReading): (() => Promise<void>) => {
  const { writer } = authorised
  let decidedOn = writer.state.revision
  let validUntil = authorised.notAfter
  return async () => {
    await writer.refresh()
    if (writer.state.revision === decidedOn && (validUntil === undefined || now() < validUntil)) return
    decidedOn = writer.state.revision
    validUntil = (await authorise(context, { ...request, record: 'none' })).notAfter
  }
}
