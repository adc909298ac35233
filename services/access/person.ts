import type { ClinicVault, Identity } from '../audit/vault.ts'
import type { Caller } from '../kernel/caller.ts'
import { ChartwardenError, invalidField } from '../kernel/errors.ts'
import { type SessionFacts, sessionTooFarAhead } from './decide.ts'
import type { SubjectReference } from './events.ts'

/** The person for whom a call is made, as the request names it. */
export interface NamedPerson {
  readonly type: string
  readonly id: string
  /** The person's own sign-in. */
  readonly session?: { readonly issuedAt?: number }
}

/** The same person as decisions know it. */
export interface ActingPerson {
  readonly subject: SubjectReference
  readonly session?: { readonly issuedAt?: number }
}

/** Throws INVALID_ARGUMENT naming the field when a sign-in lies too far in the future to be true (docs/explanation/deciding.md, step 1). */
export const checkSignIn = (field: string, session: SessionFacts | undefined, now: number): void => {
  if (sessionTooFarAhead(session, now)) throw invalidField(`${field}.issued_at`, 'is more than a minute ahead of the ledger clock')
}

/**
 * A token with scope `act` must name a person on each administrative, sharing or reporting call; one without may not, and acts as itself.
 * Throws PERSON_REQUIRED or PERSON_NOT_ALLOWED, and INVALID_ARGUMENT for a sign-in in the future. `now` is ledger time.
 */
export const requirePerson = (caller: Caller, named: NamedPerson | undefined, now: number): NamedPerson | undefined => {
  const mayAct = caller.scopes.has('act')
  if (mayAct && named === undefined) {
    throw new ChartwardenError('PERSON_REQUIRED', { fields: [{ field: 'on_behalf_of', description: 'is required with scope "act"' }] })
  }
  if (!mayAct && named !== undefined) throw new ChartwardenError('PERSON_NOT_ALLOWED')
  checkSignIn('on_behalf_of.session', named?.session, now)
  return named
}

export const identityOfPerson = (person: NamedPerson): Identity => ({ kind: 'subject', type: person.type, id: person.id })

export const actingPerson = (vault: ClinicVault, person: NamedPerson): ActingPerson => ({
  subject: { type: person.type, pseudonym: vault.pseudonym(identityOfPerson(person)) },
  ...(person.session === undefined ? {} : { session: person.session }),
})
