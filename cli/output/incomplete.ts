import type { Outcome } from '../exit-codes.ts'
import { type Failure, failureJson, failureText } from '../failure.ts'
import { tell } from '../io.ts'
import type { Session } from '../session.ts'

/** Says on stderr that what was printed is not everything. */
export const tellIncomplete = async (session: Session, message: string): Promise<Outcome> => {
  const failure: Failure = { reason: 'INCOMPLETE', message, fields: [], outcome: 'incomplete' }
  await tell(session.io, session.json ? failureJson(failure) : failureText(failure))
  return failure.outcome
}
