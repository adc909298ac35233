/** What a signer store says of a clinic's logs, one generation after the other. */
import { logOrigin, parseLogOrigin } from './origin.ts'
import type { SignerRecord } from './signer-store.ts'

/** Where a clinic's log stands by the word of the signer store, which is the only one that counts: the database may have been restored. */
export interface Standing {
  readonly clinic: string
  readonly generation: number
  readonly origin: string
  /** What was signed last under this origin. */
  readonly signed?: SignerRecord
  /** The log before, if an operator has retired it. */
  readonly retired?: SignerRecord
}

export type Standings = (clinic: string) => Standing

/** The clinics that something was signed for, and the standing of any. `base`: what the origins begin with. */
export const standingsOf = (
  records: readonly SignerRecord[],
  base: string,
): { readonly clinics: readonly string[]; readonly standing: Standings } => {
  const newest = new Map<string, { readonly generation: number; readonly record: SignerRecord }>()
  const origins = new Map(records.map((record) => [record.origin, record]))
  for (const record of records) {
    const named = parseLogOrigin(base, record.origin)
    if (named === undefined) continue
    const { clinic, generation } = named
    if ((newest.get(clinic)?.generation ?? 0) < generation) newest.set(clinic, { generation, record })
  }
  const standing: Standings = (clinic) => {
    const known = newest.get(clinic)
    const generation = known === undefined ? 1 : known.generation + (known.record.retired === undefined ? 0 : 1)
    const origin = logOrigin(base, clinic, generation)
    const signed = origins.get(origin)
    const retired = generation === 1 ? undefined : origins.get(logOrigin(base, clinic, generation - 1))
    return {
      clinic,
      generation,
      origin,
      ...(signed === undefined ? {} : { signed }),
      ...(retired?.retired === undefined ? {} : { retired }),
    }
  }
  return { clinics: [...newest.keys()], standing }
}
