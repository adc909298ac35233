import type { JsonValue } from '../kernel/canonical-json.ts'
import type { Randomness } from '../kernel/ids.ts'
import { type EntryData, type EntryDraft, sealEnvelope } from './entry.ts'
import type { NewEntry } from './ledger.ts'
import type { ClinicVault, Pseudonym } from './vault.ts'

export interface Composition extends Omit<EntryDraft, 'salt' | 'data'> {
  readonly data: object
  /** What must not stay readable for ever, and the identity whose key seals it. Members that are undefined are left out. */
  readonly sealed?: { readonly under: Pseudonym; readonly value: { readonly [name: string]: JsonValue | undefined } }
}

/**
 * An entry ready to be appended: salted, its private part sealed under one identity's data key. When that key was destroyed the private part
 * is dropped: an erased identity stays erased.
 */
export const composeEntry = async (vault: ClinicVault, randomness: Randomness, composition: Composition): Promise<NewEntry> => {
  const { sealed: part, data, ...draft } = composition
  const salt = randomness.bytes(16)
  if (part === undefined || Object.values(part.value).every((value) => value === undefined)) {
    return sealEnvelope({ ...draft, salt, data: data as EntryData })
  }
  const sealed = await vault.seal(part.under, { clinic: draft.clinic, entryId: draft.id, entryType: draft.type }, part.value)
  return sealEnvelope({ ...draft, salt, data: (sealed === 'key_destroyed' ? data : { ...data, sealed }) as EntryData })
}
