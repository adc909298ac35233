import type { ClinicVault, Sealed } from '../../audit/vault.ts'
import type { JsonValue } from '../../kernel/canonical-json.ts'

/** An opened sealed part, or why there is none. */
export type SealedPart = Readonly<Record<string, JsonValue>> | 'erased' | 'none'

/** The members of an entry's sealed part, or `erased` once its key is destroyed or none was there to seal it. */
export const openSealedPart = async (
  clinic: string,
  vault: ClinicVault,
  row: { readonly entry_id: string; readonly entry_type: string; readonly sealed: unknown },
): Promise<SealedPart> => {
  if (row.sealed === null) return 'none'
  const opened = await vault.open(row.sealed as Sealed, { clinic, entryId: row.entry_id, entryType: row.entry_type })
  return opened.kind === 'opened' ? (opened.value as Readonly<Record<string, JsonValue>>) : 'erased'
}

/** A free text by its name, where the caller may see it and it still exists. */
export const textOf = (part: SealedPart, name: string, unseal: boolean): string => {
  if (!unseal || part === 'none') return ''
  if (part === 'erased') return 'erased:'
  const value = part[name]
  return typeof value === 'string' ? value : ''
}

/** The reason, where the caller may see it and it still exists. */
export const reasonOf = (part: SealedPart, unseal: boolean): string => textOf(part, 'reason', unseal)

/** The record of an access; `erased:<pseudonym>` once the key that sealed it is destroyed. */
export const resourceOf = (part: SealedPart, row: { readonly patient: string | null; readonly subject: string }): string => {
  const resource = part === 'erased' || part === 'none' ? undefined : part.resource_id
  return typeof resource === 'string' ? resource : `erased:${row.patient ?? row.subject}`
}
