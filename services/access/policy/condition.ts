/**
 * Conditions of permissions: CEL expressions that are parsed, checked and compiled once, when a role is put or folded. They speak of codes
 * and properties, never of identifiers: a role stays readable for ever and must not name a person or a patient.
 */
import type { Properties } from '../events.ts'

/**
 * What an expression sees. Built once for each request, and only when a condition is reached. Roles are not among it: a condition that holds
 * because somebody lacks a role would permit more once a grant is taken away.
 */
export interface ConditionFacts {
  readonly subject: { readonly type: string; readonly properties: Properties }
  readonly resource: {
    readonly type: string
    /** Whether a patient is named, and whether that is the subject. */
    readonly has_patient: boolean
    readonly own_record: boolean
    readonly properties: Properties
  }
  readonly action: { readonly name: string; readonly properties: Properties }
  /** Of the request, and `time`, `caller` and `purpose`, which no request can set; `intent` is reserved and cannot be read. */
  readonly context: Properties & { readonly time: Date; readonly caller: string; readonly purpose: string }
  /** Lists and objects among the properties as conditions read them: made ready once, however many conditions read them. */
  readonly ready?: { values: Map<object, unknown> | undefined }
}

/** Why a condition could not be evaluated. */
export interface ConditionError {
  /** In plain words for whoever writes roles; holds no value of the request. */
  readonly error: string
}

export interface Condition {
  readonly source: string
  /** The attributes it names, e.g. `resource.properties.status`, sorted. */
  readonly attributes: readonly string[]
  /** It depends on the moment, so that its answer may change without anything being recorded. */
  readonly usesTime: boolean
  /** What one evaluation may cost at most, whatever the facts, in units of about ten nanoseconds; a decision has a budget of them. */
  readonly cost: number
  /** Never throws. */
  evaluate(facts: ConditionFacts): boolean | ConditionError
}

export type Compiled =
  | { readonly kind: 'condition'; readonly condition: Condition }
  /** `line` and `column` count from 1. */
  | { readonly kind: 'invalid'; readonly message: string; readonly line: number; readonly column: number }
