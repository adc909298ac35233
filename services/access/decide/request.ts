import type { Pseudonym } from '../../audit/vault.ts'
import type { ObligationData, Properties, SubjectReference } from '../events.ts'
import type { ReasonCode } from '../reasons.ts'

/** A sign-in; `issuedAt` in milliseconds since the epoch. */
export interface SessionFacts {
  readonly issuedAt?: number
}

/** What the calling software says beside who, what and which record. */
export interface StatedAttributes {
  readonly subject?: Properties | undefined
  readonly action?: Properties | undefined
  /** `confidentiality` and `sensitivities` among them are labels. */
  readonly resource?: Properties | undefined
  readonly context?: Properties | undefined
  /** The calling software. */
  readonly caller: string
  /** Stated properties take the place of stored ones (scope `directory.override`); otherwise they only add to them. */
  readonly override: boolean
  /**
   * What a recorded decision kept: conditions see the properties above and none that are stored now, and this moment, in milliseconds since
   * the epoch, as `context.time`. Undefined: a request of now.
   */
  readonly recordedAt?: number
}

export interface AccessRequest {
  readonly subject: SubjectReference
  readonly action: string
  readonly resourceType: string
  /** The one record concerned. */
  readonly record?: Pseudonym
  /** The patient named. Where none is, and the directory knows the patient of the record, that one counts. */
  readonly patient?: Pseudonym
  /** PurposeOfUse code. Undefined only for administrative decisions: the purposes of permissions are then not consulted. */
  readonly purpose: string | undefined
  readonly session?: SessionFacts
  /** Obligation types the caller carries out. `any` only for what gives nothing, such as ending a share. */
  readonly supportedObligations: ReadonlySet<string> | 'any'
  /** Undefined: nothing stated, and the caller is not told to conditions. */
  readonly stated?: StatedAttributes
}

export interface AccessDecision {
  readonly decision: 'permit' | 'deny'
  readonly reasonCode: ReasonCode
  /**
   * `role/<role>#<permission id>`, `forbid/<role>#<permission id>`, `consent/<consent id>` or `emergency/<emergency id>`; the role is the one
   * that defines the permission. On a deny for lack of purpose, condition, bound or supported obligation it is the permission that came
   * nearest; empty when none speaks of the request.
   */
  readonly rule: string
  /** Duties of a permit; none on a deny. */
  readonly obligations: readonly ObligationData[]
  /** The patient it was decided about: the one named, or the one the directory knows of the record. Undefined: none. */
  readonly patient?: Pseudonym | undefined
  /** Roles granted and in force, sorted; not those they inherit. */
  readonly roles: readonly string[]
  /** The earliest moment at which the decision may be another without any change of state, milliseconds since the epoch. */
  readonly notAfter?: number
  /** For a permit by emergency access: what would have been the answer without it. */
  readonly overrode?: { readonly reasonCode: ReasonCode; readonly rule: string }
}

/** One rule that was consulted, for whoever asks why. */
export interface Consulted {
  readonly step: 'standing' | 'forbid' | 'consent' | 'confidentiality' | 'permission' | 'emergency'
  readonly rule: string
  readonly outcome: 'permits' | 'refuses' | 'not_met'
  readonly reasonCode: ReasonCode
  /** More than the code says, e.g. why a condition erred; no value of the request. */
  readonly detail?: string
}

/** Told of each rule as it is consulted. With one, later steps are consulted too after an earlier one has decided. */
export type Trace = (consulted: Consulted) => void
