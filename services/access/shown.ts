/** What people are shown in place of pseudonyms and sealed parts, as far as keys still exist and the caller may see them. */
import { type EntryData, openEnvelope } from '../audit/entry.ts'
import type { ResolvedIdentity } from '../audit/identities.ts'
import type { Ledger } from '../audit/ledger.ts'
import type { Pseudonym } from '../audit/vault.ts'
import type { SubjectReference } from './events.ts'
import type { ClinicView } from './past-states.ts'

export interface ShownSubject {
  readonly type: string
  readonly id: string
}

/** An erased or unknown identity is shown by its pseudonym, marked so. */
const shownId = (pseudonym: Pseudonym, resolved: ReadonlyMap<Pseudonym, ResolvedIdentity>): string => {
  const identity = resolved.get(pseudonym)
  return identity?.kind === 'known' ? identity.id : `${identity?.kind ?? 'unknown'}:${pseudonym}`
}

export const shownSubject = (reference: SubjectReference, resolved: ReadonlyMap<Pseudonym, ResolvedIdentity>): ShownSubject => {
  const identity = resolved.get(reference.pseudonym)
  return { type: identity?.kind === 'known' ? identity.type : reference.type, id: shownId(reference.pseudonym, resolved) }
}

export const shownPatient = (patient: Pseudonym, resolved: ReadonlyMap<Pseudonym, ResolvedIdentity>): string => shownId(patient, resolved)

/** The sealed reasons of these entries, by id; those that have none, or whose key is destroyed, are missing. */
export const openReasons = async (
  ledger: Pick<Ledger, 'find'>,
  { clinic, vault }: ClinicView,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> => {
  const reasons = new Map<string, string>()
  for (const [id, entry] of await ledger.find(clinic, ids)) {
    const { sealed } = openEnvelope(entry.bytes).data as EntryData
    if (sealed === undefined) continue
    const opened = await vault.open(sealed, { clinic, entryId: entry.id, entryType: entry.type })
    const reason = opened.kind === 'opened' ? (opened.value as { readonly reason?: string }).reason : undefined
    if (reason !== undefined) reasons.set(id, reason)
  }
  return reasons
}
