import type { ClinicVault, Identity } from '../audit/vault.ts'
import type { Caller } from '../kernel/caller.ts'
import { ChartwardenError } from '../kernel/errors.ts'
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

/**
 * A token with scope `act` must name a person on each administrative, sharing or reporting call; one without may not, and acts as itself.
 * Throws PERSON_REQUIRED or PERSON_NOT_ALLOWED.
 */
export const requirePerson = (caller: Caller, named: NamedPerson | undefined): NamedPerson | undefined => {
  const mayAct = caller.scopes.has('act')
  if (mayAct && named === undefined) {
    throw new ChartwardenError('PERSON_REQUIRED', { fields: [{ field: 'on_behalf_of', description: 'is required with scope "act"' }] })
  }
  if (!mayAct && named !== undefined) throw new ChartwardenError('PERSON_NOT_ALLOWED')
  return named
}

export const identityOfPerson = (person: NamedPerson): Identity => ({ kind: 'subject', type: person.type, id: person.id })

export const actingPerson = (vault: ClinicVault, person: NamedPerson): ActingPerson => ({
  subject: { type: person.type, pseudonym: vault.pseudonym(identityOfPerson(person)) },
  ...(person.session === undefined ? {} : { session: person.session }),
})
