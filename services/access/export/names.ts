/** Whom the pseudonyms in an entry stand for. */
import { openEnvelope } from '../../audit/entry.ts'
import type { Identities } from '../../audit/identities.ts'
import type { StoredEntry } from '../../audit/ledger.ts'
import type { ClinicVault, Pseudonym } from '../../audit/vault.ts'

export interface KnownName {
  readonly pseudonym: Pseudonym
  readonly type: string
  readonly id: string
}

export interface NamesOptions {
  readonly clinic: string
  readonly vault: ClinicVault
  readonly identities: Pick<Identities, 'resolve'>
}

/** Members that hold a pseudonym of somebody, wherever they stand. */
const personal = new Set(['pseudonym', 'patient', 'own_patient'])

/** Names told with one entry: an entry that names more, such as a large organisation's, is not made larger than a message may be. */
const maxNames = 64

const pseudonymsIn = (value: unknown, found: Set<Pseudonym>): void => {
  if (Array.isArray(value)) for (const item of value) pseudonymsIn(item, found)
  else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      if (typeof member === 'string') {
        if (personal.has(name) && found.size < maxNames) found.add(member as Pseudonym)
      } else pseudonymsIn(member, found)
    }
  }
}

/** Those of people and patients whose keys still exist; whoever was erased has no name. */
export const namesIn = async (entry: StoredEntry, { clinic, vault, identities }: NamesOptions): Promise<readonly KnownName[]> => {
  const pseudonyms = new Set<Pseudonym>()
  pseudonymsIn(openEnvelope(entry.bytes).data, pseudonyms)
  const resolved = await identities.resolve(clinic, vault, [...pseudonyms])
  return [...resolved].flatMap(([pseudonym, identity]) =>
    identity.kind === 'known' ? [{ pseudonym, type: identity.type, id: identity.id }] : [],
  )
}
