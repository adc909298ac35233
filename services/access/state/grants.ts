import type { Pseudonym } from '../../audit/vault.ts'
import type { SubjectReference } from '../events.ts'
import type { Period } from './period.ts'

/** A role given to a subject. */
export interface GrantState extends Period {
  /** Id of the entry that granted it. */
  readonly id: string
  readonly subject: SubjectReference
  readonly role: string
  /** The person who granted it; undefined when the calling software did, on its own scope. */
  readonly grantor: SubjectReference | undefined
  /** Where the entry stands, for its sealed reason. */
  readonly revision: bigint
}

/** Grants that no entry has ended; those whose `until` has passed are among them. */
export interface Grants {
  readonly byId: Map<string, GrantState>
  readonly bySubject: Map<Pseudonym, GrantState[]>
}

export const noGrants = (): Grants => ({ byId: new Map(), bySubject: new Map() })

export const addGrant = (grants: Grants, grant: GrantState): void => {
  grants.byId.set(grant.id, grant)
  const held = grants.bySubject.get(grant.subject.pseudonym)
  if (held === undefined) grants.bySubject.set(grant.subject.pseudonym, [grant])
  else held.push(grant)
}

export const endGrants = (grants: Grants, subject: Pseudonym, ends: (grant: GrantState) => boolean): void => {
  const kept: GrantState[] = []
  for (const grant of grants.bySubject.get(subject) ?? []) {
    if (ends(grant)) grants.byId.delete(grant.id)
    else kept.push(grant)
  }
  if (kept.length === 0) grants.bySubject.delete(subject)
  else grants.bySubject.set(subject, kept)
}
