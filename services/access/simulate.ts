/** What a proposed policy would change, for one question or for the last recorded decisions. Nothing is applied. */

import type { ClinicEntries } from '../audit/clinic-entries.ts'
import type { Identities } from '../audit/identities.ts'
import type { Ledger, StoredEntry } from '../audit/ledger.ts'
import type { CallContext } from '../kernel/caller.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError, type FieldViolation } from '../kernel/errors.ts'
import { accessRequestOf, type Question } from './check.ts'
import type { ClinicWriter } from './clinic-writer.ts'
import type { AccessDecision, AccessRequest } from './decide.ts'
import { describedPatient, patientIdOf } from './patient-of.ts'
import { checkSignIn } from './person.ts'
import type { PinnedReading, Steps } from './pinned-reading.ts'
import type { AuthoriseReading, ReadingRequest } from './reading.ts'
import { type ShownSubject, shownSubject } from './shown.ts'
import { compare } from './simulate/compare.ts'
import { createLastDecisions, type RecordedDecision } from './simulate/last-decisions.ts'
import { malformedProposal, type ProposedPolicy, propose } from './simulate/propose.ts'

export interface SimulateQuestion extends Pick<ReadingRequest, 'clinic' | 'onBehalfOf' | 'filter'> {
  readonly proposed: ProposedPolicy
  readonly questions:
    | { readonly kind: 'check'; readonly question: Omit<Question, 'requestId' | 'clinic' | 'reason' | 'intent'> }
    /** Newest first; `count` at least 1. */
    | { readonly kind: 'last_decisions'; readonly count: number }
}

/** A question whose answer would be another one. */
interface Changed {
  /** Undefined for a question given. */
  readonly recorded: StoredEntry | undefined
  readonly request: AccessRequest
  readonly today: AccessDecision
  readonly proposed: AccessDecision
}

/** A recorded decision that cannot be made again. */
interface NotSimulated {
  readonly recorded: StoredEntry
  readonly reason: 'administrative' | 'identity_erased' | 'attribute_not_kept' | 'obligations_not_kept' | 'not_searched'
  readonly attributes: readonly string[]
}

interface Comparison {
  readonly decided: number
  readonly changes: readonly Changed[]
  readonly changed: number
  readonly notSimulated: readonly NotSimulated[]
  readonly notSimulatedCount: number
}

export interface Simulated extends Omit<Comparison, 'changes'> {
  readonly changes: readonly (Changed & { readonly subject: ShownSubject })[]
  readonly entry: StoredEntry
  /** State revision that both sides rest on. */
  readonly revision: bigint
}

export interface SimulateOptions {
  readonly ledger: Pick<Ledger, 'head'>
  /** Shows entries, one clinic at a time. */
  readonly entries: Pick<ClinicEntries, 'read'>
  readonly authorise: AuthoriseReading
  readonly identities: Identities
  readonly pinned: PinnedReading
  readonly clock: Clock
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

/** Changes and exceptions listed; all are counted. */
const maxListed = 1_000

/**
 * Decides. Throws SCOPE_MISSING for recorded decisions without `audit.unseal`, INVALID_ARGUMENT for a policy that could not be put; one that
 * is wrong whatever the clinic's is makes no entry.
 */
export type Simulate = (context: CallContext, question: SimulateQuestion) => Promise<Simulated>

const refuse = (fields: readonly FieldViolation[]): never => {
  const message = fields.map(({ field, description }) => `${field}: ${description}`).join('; ')
  throw new ChartwardenError('INVALID_ARGUMENT', { message, fields })
}

type ToCompare = Pick<RecordedDecision, 'question'> & { readonly entry: StoredEntry | undefined }

const comparison = (proposed: ProposedPolicy, questions: readonly ToCompare[]): Steps<Comparison> =>
  function* (state, time) {
    const proposal = propose(state, proposed, time)
    if (proposal.kind === 'invalid') return refuse(proposal.fields)
    const changes: Changed[] = []
    const notSimulated: NotSimulated[] = []
    let [decided, changed, notSimulatedCount] = [0, 0, 0]
    const except = (recorded: StoredEntry | undefined, reason: NotSimulated['reason'], attributes: readonly string[] = []): void => {
      notSimulatedCount += 1
      if (recorded !== undefined && notSimulated.length < maxListed) notSimulated.push({ recorded, reason, attributes })
    }
    for (const { entry: recorded, question } of questions) {
      yield
      if (question.kind === 'not_simulated') {
        // That the search ended is listed however many stand before it.
        if (question.reason === 'not_searched' && notSimulated.length === maxListed) notSimulated.pop()
        except(recorded, question.reason)
        continue
      }
      const compared = compare(state, proposal.state, question.asked, time)
      switch (compared.kind) {
        case 'attribute_not_kept':
          except(recorded, compared.kind, compared.attributes)
          continue
        case 'obligations_not_kept':
          except(recorded, compared.kind)
          continue
        case 'same':
          decided += 1
          continue
        case 'changed':
          decided += 1
          changed += 1
          if (changes.length < maxListed) {
            changes.push({ recorded, request: question.asked.request, today: compared.today, proposed: compared.proposed })
          }
      }
    }
    return { decided, changes, changed, notSimulated, notSimulatedCount }
  }

export const createSimulate = (options: SimulateOptions): Simulate => {
  const { ledger, entries, authorise, identities, pinned, clock, now } = options
  const lastDecisions = createLastDecisions({ ledger, entries, clock })

  const questionsOf = async (
    context: CallContext,
    writer: ClinicWriter,
    questions: SimulateQuestion['questions'],
  ): Promise<readonly ToCompare[]> => {
    if (questions.kind === 'last_decisions') return lastDecisions(context, writer, questions.count)
    const { caller } = context
    const asked = { caller: caller.id, override: caller.scopes.has('directory.override') }
    const request = accessRequestOf(writer.vault, questions.question, asked)
    return [{ entry: undefined, question: { kind: 'question', asked: { request } } }]
  }

  return async (context, { clinic, onBehalfOf, proposed, questions, filter }) => {
    // A condition made up for the purpose would tell, answer by answer, what the entries keep sealed.
    if (questions.kind === 'last_decisions' && !context.caller.scopes.has('audit.unseal')) {
      throw new ChartwardenError('SCOPE_MISSING', { metadata: { scope: 'audit.unseal' } })
    }
    const malformed = malformedProposal(proposed)
    if (malformed.length > 0) refuse(malformed)
    if (questions.kind === 'check') checkSignIn('check.session', questions.question.session, now())
    const named = questions.kind === 'check' ? questions.question : undefined
    const { writer, entry } = await authorise(context, {
      clinic,
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      query: 'simulate',
      scope: 'policy.simulate',
      needs: { resourceType: 'clinic_settings', action: 'update' },
      ...(questions.kind === 'last_decisions' ? { alsoNeeds: { resourceType: 'audit_log', action: 'read' } } : {}),
      record: 'viewing',
      streamed: false,
      ...(named === undefined ? {} : { subject: { type: named.subject.type, id: named.subject.id } }),
      ...(named === undefined ? {} : { patientId: patientIdOf(named.resource), patientIn: describedPatient(named.resource) }),
      filter,
    })
    const asked = await questionsOf(context, writer, questions)
    const { result, revision } = await pinned(context, writer, undefined, comparison(proposed, asked))
    const resolved = await identities.resolve(
      clinic,
      writer.vault,
      result.changes.map(({ request }) => request.subject.pseudonym),
    )
    const changes = result.changes.map((change) => ({ ...change, subject: shownSubject(change.request.subject, resolved) }))
    return { ...result, changes, entry: entry as StoredEntry, revision }
  }
}
