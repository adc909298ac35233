import type { ClinicVault, Sealed } from '../../audit/vault.ts'
import type { JsonValue } from '../../kernel/canonical-json.ts'

/** The members of an entry's sealed part, or `erased` once its key is destroyed or none was there to seal it. */
export const openSealedPart = async (
  clinic: string,
  vault: ClinicVault,
  row: { readonly entry_id: string; readonly entry_type: string; readonly sealed: unknown },
): Promise<Readonly<Record<string, JsonValue>> | 'erased' | 'none'> => {
  if (row.sealed === null) return 'none'
  const opened = await vault.open(row.sealed as Sealed, { clinic, entryId: row.entry_id, entryType: row.entry_type })
  return opened.kind === 'opened' ? (opened.value as Readonly<Record<string, JsonValue>>) : 'erased'
}

/** The free text, where the caller may see it and it still exists. */
export const reasonOf = (part: Readonly<Record<string, JsonValue>> | 'erased' | 'none', unseal: boolean): string => {
  if (!unseal || part === 'none') return ''
  if (part === 'erased') return 'erased:'
  return typeof part.reason === 'string' ? part.reason : ''
}
