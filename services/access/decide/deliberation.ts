import type { ConditionError, ConditionFacts } from '../policy/condition.ts'
import type { EffectivePermission } from '../policy/roles.ts'
import type { ResourceState } from '../state/directory.ts'
import type { GrantState } from '../state/grants.ts'
import type { SubjectState } from '../state/subjects.ts'
import type { ClinicState } from '../state.ts'
import { factsOf } from './facts.ts'
import { type Labels, labelsOf } from './labels-of.ts'
import type { AccessRequest, Trace } from './request.ts'

/** What all steps of one decision share. */
export interface Deliberation {
  readonly state: ClinicState
  /** About the patient whom the directory knows, where the caller names none. */
  readonly request: AccessRequest
  /** What the directory says of the one record asked for. */
  readonly described: ResourceState | undefined
  readonly subject: SubjectState
  /** Of the subject, in force or not. */
  readonly grants: readonly GrantState[]
  /** Ledger time, milliseconds since the epoch. */
  readonly now: number
  readonly trace: Trace | undefined
  /** Made when the first condition is reached. */
  facts: ConditionFacts | undefined
  /** What conditions came to, by permission: one reached through several roles is evaluated, and paid for, once. */
  answers: Map<EffectivePermission, boolean | ConditionError> | undefined
  /** What the conditions consulted so far may have cost at most, in the units of `Condition.cost`. */
  cost: number
  /** Made when first asked for. */
  labels: Labels | undefined
  /** The earliest moment at which something that was consulted ends or begins, for a permit to be decided again then. */
  boundary: number
}

/** How long an answer holds that depends on the clock itself, in milliseconds; what has queued longer is decided again anyway. */
export const clockBoundMs = 1_000

/** Notes that a permit must not outlive a moment. */
export const holdUntil = (deliberation: Deliberation, moment: number): void => {
  if (moment < deliberation.boundary) deliberation.boundary = moment
}

/** Notes that a permit depends on what time it is. */
export const dependsOnClock = (deliberation: Deliberation): void => holdUntil(deliberation, deliberation.now + clockBoundMs)

export const labelsIn = (deliberation: Deliberation): Labels => {
  deliberation.labels ??= labelsOf(deliberation.state, deliberation.subject, deliberation.request, deliberation.described)
  return deliberation.labels
}

/** What conditions see. */
export const conditionFacts = (deliberation: Deliberation): ConditionFacts => {
  deliberation.facts ??= factsOf(deliberation, labelsIn(deliberation))
  return deliberation.facts
}
