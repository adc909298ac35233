/** What an operator does to a signer store by hand, beside the running service or without it. */

import type { SignedHead, SignerRecord } from '../signer-store.ts'
import { verifyConsistency } from '../verify-proofs.ts'
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

/** What became of a head that was to be adopted. `record` is what the store holds of its origin, and keeps. */
export type AdoptOutcome =
  | { readonly kind: 'adopted' | 'known' }
  /** `not_larger`: than what is recorded. `unproven`: that it continues what is recorded. */
  | { readonly kind: 'refused'; readonly why: 'retired' | 'not_larger' | 'unproven'; readonly record: SignerRecord }

/**
 * Puts a head that was signed, and that the store has lost, in its place: whoever signs next goes on from it. The caller has verified its
 * signature. Nothing is taken back: an origin that was retired stays so, and where anything is recorded of it, only a larger tree is adopted
 * that `proofFrom` proves to continue the recorded one (undefined: it cannot).
 */
export const adoptHead = async (
  files: SignerFiles,
  head: SignedHead,
  proofFrom: (known: SignedHead) => Promise<readonly Uint8Array[] | undefined>,
): Promise<AdoptOutcome> => {
  await files.prepare().catch(asStartError(files))
  const before = (await readSignerState(files)).records.get(head.origin)
  const isNext = before !== undefined && before.retired === undefined && before.size < head.size
  // Before the claim, which whoever signs meanwhile would end: a proof takes longer than that.
  const proof = isNext ? await proofFrom(before) : undefined
  const continues = (record: SignerRecord): boolean =>
    record.size === 0n ||
    (proof !== undefined &&
      verifyConsistency({ firstSize: record.size, secondSize: head.size, firstRoot: record.root, secondRoot: head.root, proof }))
  return whileClaimed(
    files,
    (state) => state,
    async (claim): Promise<AdoptOutcome> => {
      const record = claim.state.records.get(head.origin)
      if (record !== undefined && sameHead(record, head)) return { kind: 'known' }
      if (record?.retired !== undefined) return { kind: 'refused', why: 'retired', record }
      if (record !== undefined && record.size >= head.size) return { kind: 'refused', why: 'not_larger', record }
      if (record !== undefined && !continues(record)) return { kind: 'refused', why: 'unproven', record }
      await claim.append(formatRecords([head]))
      return { kind: 'adopted' }
    },
  ).catch(asStartError(files))
}

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
