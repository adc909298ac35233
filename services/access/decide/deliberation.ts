import type { ConditionFacts } from '../policy/condition.ts'
import type { GrantState } from '../state/grants.ts'
import type { SubjectState } from '../state/subjects.ts'
import type { ClinicState } from '../state.ts'
import { factsOf } from './facts.ts'
import { type Labels, labelsOf } from './labels-of.ts'
import type { AccessRequest, Trace } from './request.ts'

/** What all steps of one decision share. */
export interface Deliberation {
  readonly state: ClinicState
  readonly request: AccessRequest
  readonly subject: SubjectState
  /** Of the subject, in force or not. */
  readonly grants: readonly GrantState[]
  /** Ledger time, milliseconds since the epoch. */
  readonly now: number
  readonly trace: Trace | undefined
  /** Made when the first condition is reached. */
  facts: ConditionFacts | undefined
  /** Made when first asked for. */
  labels: Labels | undefined
  /** The earliest moment at which something that was consulted ends or begins, for a permit to be decided again then. */
  boundary: number
}

/** How long an answer holds that depends on the clock itself, in milliseconds; what has queued longer is decided again anyway. */
const clockBoundMs = 1_000

/** Notes that a permit must not outlive a moment. */
export const holdUntil = (deliberation: Deliberation, moment: number): void => {
  if (moment < deliberation.boundary) deliberation.boundary = moment
}

/** Notes that a permit depends on what time it is. */
export const dependsOnClock = (deliberation: Deliberation): void => holdUntil(deliberation, deliberation.now + clockBoundMs)

export const labelsIn = (deliberation: Deliberation): Labels => {
  deliberation.labels ??= labelsOf(deliberation.state, deliberation.subject, deliberation.request)
  return deliberation.labels
}

/** What conditions see. They may ask for the roles in force, so an answer must not outlive the first of them to end. */
export const conditionFacts = (deliberation: Deliberation): ConditionFacts => {
  if (deliberation.facts !== undefined) return deliberation.facts
  for (const { until } of deliberation.grants) {
    if (until !== undefined && deliberation.now < until) holdUntil(deliberation, until)
  }
  deliberation.facts = factsOf(deliberation, labelsIn(deliberation))
  return deliberation.facts
}
