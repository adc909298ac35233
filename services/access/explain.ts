/** Why a check would be answered as it would be; that somebody asked is recorded before. */
import type { StoredEntry } from '../audit/ledger.ts'
import type { CallContext } from '../kernel/caller.ts'
import { accessRequestOf, type Question } from './check.ts'
import { type Explanation, explain } from './explain/explanation.ts'
import type { PastStates } from './past-states.ts'
import { describedPatient, patientIdOf } from './patient-of.ts'
import { checkSignIn } from './person.ts'
import type { PinnedReading } from './pinned-reading.ts'
import type { AuthoriseReading, ReadingRequest } from './reading.ts'

export interface ExplainQuestion extends Pick<ReadingRequest, 'clinic' | 'onBehalfOf' | 'filter'> {
  readonly question: Omit<Question, 'requestId' | 'clinic' | 'reason' | 'intent'>
  /** As of this past moment, milliseconds since the epoch; undefined: now. */
  readonly asOf: number | undefined
}

export interface Explained extends Explanation {
  readonly entry: StoredEntry
  /** State revision that it was explained on. */
  readonly revision: bigint
}

export interface ExplainOptions {
  readonly authorise: AuthoriseReading
  readonly pinned: PinnedReading
  readonly past: PastStates
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

/** Explains one question, with the sign-in given or none. */
export type Explain = (context: CallContext, question: ExplainQuestion) => Promise<Explained>

export const createExplain = ({ authorise, pinned, past, now }: ExplainOptions): Explain => {
  return async (context, { clinic, onBehalfOf, filter, question, asOf }) => {
    checkSignIn('check.session', question.session, now())
    await past.check(clinic, asOf)
    const { subject, resource } = question
    const { writer, entry } = await authorise(context, {
      clinic,
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      query: 'explain',
      scope: 'policy.explain',
      needs: { resourceType: 'audit_log', action: 'read' },
      record: 'viewing',
      streamed: false,
      subject: { type: subject.type, id: subject.id },
      patientId: patientIdOf(resource),
      patientIn: describedPatient(resource),
      filter,
    })
    const { caller } = context
    const request = accessRequestOf(writer.vault, question, { caller: caller.id, override: caller.scopes.has('directory.override') })
    const moment = asOf === undefined ? undefined : await past.at(context, writer, asOf)
    const view = moment?.view ?? writer
    const pin = moment && { revision: view.state.revision, time: moment.time }
    const { result, revision } = await pinned(context, view, pin, (state, time) => explain(state, request, time))
    return { ...result, entry: entry as StoredEntry, revision }
  }
}
