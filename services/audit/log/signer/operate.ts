/** What an operator does to a signer store by hand, beside the running service or without it. */
import { asStartError, type Claim, claimDirectory, readState } from './claim.ts'
import type { SignerFiles } from './signer-files.ts'
import { emptyState, formatRecords, type RetirementCause, type SignerState } from './signer-state.ts'

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
