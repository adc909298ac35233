/** What an operator does to a signer store by hand, beside the running service or without it. */

import type { SignedHead, SignerRecord } from '../signer-store.ts'
import { asStartError, type Claim, claimDirectory, readState } from './claim.ts'
import type { SignerFiles } from './signer-files.ts'
import { emptyState, formatRecords, type RetirementCause, type SignerState, sameHead } from './signer-state.ts'

/** What it holds; empty where there is nothing yet. */
export const readSignerState = async (files: SignerFiles): Promise<SignerState> =>
  (await readState(files).catch(asStartError(files))) ?? emptyState

/** Claims, works, and starts again where somebody else has claimed in the meantime and so may not have read what was written. */
const whileClaimed = async <T>(
  files: SignerFiles,
  check: (state: SignerState) => SignerState,
  work: (claim: Claim) => Promise<T>,
): Promise<T> => {
  for (;;) {
    const claim = await claimDirectory(files, check)
    try {
      const done = await work(claim)
      if ((await claim.supersededBy()) === undefined) return done
    } finally {
      await claim.close()
    }
  }
}

/**
 * Ends an origin: no signature is made for it any more, by nobody, once this resolves. Unknown origins are left unknown. A running service
 * finds itself superseded and claims again.
 */
export const retireOrigin = async (
  files: SignerFiles,
  origin: string,
  cause: RetirementCause,
): Promise<'retired' | 'retired_before' | 'unknown'> => {
  const outcomeFor = ({ records }: SignerState) => {
    const known = records.get(origin)
    return known === undefined ? 'unknown' : known.retired === undefined ? known : 'retired_before'
  }
  const outcome = outcomeFor(await readSignerState(files))
  if (typeof outcome === 'string') return outcome
  return whileClaimed(
    files,
    (state) => state,
    async (claim) => {
      const record = outcomeFor(claim.state)
      if (typeof record === 'string') return record
      await claim.append(formatRecords([{ ...record, retired: { cause } }]))
      return 'retired' as const
    },
  ).catch(asStartError(files))
}

/**
 * Puts a head that was signed, and that the store has lost, in its place: whoever signs next goes on from it. Nothing is taken back: what is
 * recorded of a larger tree, of another tree of that size, or of an origin that was retired stays, and is returned.
 */
export const adoptHead = async (
  files: SignerFiles,
  head: SignedHead,
): Promise<{ readonly kind: 'adopted' | 'known' } | { readonly kind: 'refused'; readonly record: SignerRecord }> =>
  whileClaimed(
    files,
    (state) => state,
    async (claim) => {
      const record = claim.state.records.get(head.origin)
      if (record !== undefined && sameHead(record, head)) return { kind: 'known' as const }
      if (record !== undefined && (record.size >= head.size || record.retired !== undefined)) return { kind: 'refused' as const, record }
      await claim.append(formatRecords([head]))
      return { kind: 'adopted' as const }
    },
  ).catch(asStartError(files))

/** Gives the store free: the next installation that claims it takes it over with all that it holds. Returns whose it was. */
export const giveFree = async (files: SignerFiles): Promise<string | undefined> => {
  const { installation } = await readSignerState(files)
  await whileClaimed(
    files,
    (state) => ({ ...state, installation: undefined }),
    async () => undefined,
  ).catch(asStartError(files))
  return installation
}
