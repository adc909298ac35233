import type { JsonValue } from '../kernel/canonical-json.ts'
import type { CallContext } from '../kernel/caller.ts'

/** A subject as the caller names it. */
export interface NamedSubject {
  readonly type: string
  readonly id: string
}

/** One reading of the audit log, before it is answered. */
export interface Reading {
  readonly clinic: string
  readonly onBehalfOf?: NamedSubject
  /** `access_history`, `role_grants` or `offboardings`. */
  readonly query: string
  readonly streamed: boolean
  /** The person or patient asked about, if the query names one. */
  readonly subject?: NamedSubject
  readonly patientId?: string
  /** The whole filter; kept sealed. */
  readonly filter: JsonValue
}

/**
 * Decides whether the reading may take place and records it durably, before a row leaves. Throws NOT_PERMITTED (the refusal is recorded),
 * PERSON_REQUIRED, PERSON_NOT_ALLOWED or CLINIC_NOT_ALLOWED. Access implements it and the composition root hands it in: reports know
 * nothing of the state.
 */
export type AuthoriseReading = (context: CallContext, reading: Reading) => Promise<{ readonly revision: bigint }>
