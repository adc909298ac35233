import type { CallContext } from '../kernel/caller.ts'
import type { JsonValue } from '../kernel/canonical-json.ts'
import type { PersonNeeds } from '../kernel/scopes.ts'

/** A subject as the caller names it. */
export interface NamedSubject {
  readonly type: string
  readonly id: string
}

/** The person for whom a report is read. */
export interface ReadingPerson extends NamedSubject {
  /** The person's own sign-in; milliseconds since the epoch. */
  readonly session?: { readonly issuedAt?: number }
}

/** One reading of the audit log, before it is answered. */
export interface Reading {
  readonly clinic: string
  readonly onBehalfOf?: ReadingPerson
  /** The name of the report, e.g. `access_history`. */
  readonly query: string
  /** What the person named must be allowed besides reading the audit log. */
  readonly alsoNeeds?: Exclude<PersonNeeds, string>
  readonly streamed: boolean
  /** The person or patient asked about, if the query names one. */
  readonly subject?: NamedSubject
  readonly patientId?: string
  /** The whole filter; kept sealed. */
  readonly filter: JsonValue
  /** A later page: the person is decided anew, but the page belongs to the entry of the first one and makes none. Defaults to false. */
  readonly continuation?: boolean
}

/**
 * Decides whether the reading may take place and records it durably, before a row leaves. Throws NOT_PERMITTED (the refusal is recorded),
 * PERSON_REQUIRED, PERSON_NOT_ALLOWED or CLINIC_NOT_ALLOWED. Access implements it and the composition root hands it in: reports know
 * nothing of the state. A continuation is decided as well, and only a refusal of it is recorded; its answer's revision is -1.
 */
export type AuthoriseReading = (context: CallContext, reading: Reading) => Promise<{ readonly revision: bigint }>
