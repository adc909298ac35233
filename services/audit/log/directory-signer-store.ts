/** The signer store as a directory, shared by every process of one installation (signer/claim.ts says how they keep out of each other's way). */
import { ChartwardenError } from '../../kernel/errors.ts'
import { StartError } from '../../kernel/start-error.ts'
import { asStartError, type Claim, claimDirectory, readState } from './signer/claim.ts'
import type { SignerFiles } from './signer/signer-files.ts'
import { formatRecords, type SignerState, sameHead } from './signer/signer-state.ts'
import type { Advance, AdvanceOutcome, SignedHead, SignerRecord, SignerSession, SignerStore } from './signer-store.ts'
import { hashLength } from './tree-hash.ts'
import { maxUint64 } from './uint64.ts'

export interface DirectorySignerStoreOptions {
  readonly files: SignerFiles
  /** Names this installation for good; a store that holds the heads of another one is not touched. */
  readonly installation: string
  /** Bytes of a journal after which the next one is begun. Defaults to 4 MiB more than it began with. */
  readonly compactAfter?: number
}

const isHead = ({ origin, size, root }: SignedHead): boolean =>
  origin !== '' && size >= 0n && size <= maxUint64 && root.length === hashLength

/** Whether a record may move as asked: from what it says, never back, never to another root of the same size, and never once retired. */
const allows = (record: SignerRecord | undefined, { from, to }: Advance): boolean => {
  if (record?.retired !== undefined || !isHead(to)) return false
  if (record === undefined || from === undefined) return record === undefined && from === undefined
  return sameHead(record, from) && record.origin === to.origin && (to.size > record.size || sameHead(record, to))
}

const createSession = (claim: Claim, compactAfter: number): SignerSession => {
  const records = new Map(claim.state.records)
  let compactAt = claim.length() + compactAfter
  let broken: unknown
  let last: Promise<unknown> = Promise.resolve()

  const write = async (heads: readonly SignedHead[]): Promise<bigint | undefined> => {
    const before = await claim.supersededBy()
    if (before !== undefined) return before
    if (heads.length > 0) await claim.append(formatRecords(heads))
    return heads.length > 0 ? claim.supersededBy() : undefined
  }
  const advance = async (advances: readonly Advance[]): Promise<AdvanceOutcome> => {
    if (broken !== undefined) throw broken
    const twice = new Set(advances.map(({ to }) => to.origin)).size < advances.length
    const refused = advances.filter((each) => twice || !allows(records.get(each.to.origin), each))
    if (refused.length > 0) return { kind: 'conflict', records: refused.flatMap(({ to }) => records.get(to.origin) ?? []) }
    const heads = advances.map(({ to: { origin, size, root } }) => ({ origin, size, root: Buffer.from(root) }))
    const moved = heads.filter((head) => records.get(head.origin)?.size !== head.size)
    try {
      const epoch = await write(moved)
      if (epoch !== undefined) return { kind: 'superseded', epoch }
      for (const head of moved) records.set(head.origin, head)
      if (claim.length() > compactAt) {
        await claim.compact({ ...claim.state, records })
        compactAt = claim.length() + compactAfter
      }
      return { kind: 'recorded' }
    } catch (cause) {
      // What reached the disk is not known any more: only a new claim, which reads it, may go on.
      broken =
        cause instanceof ChartwardenError
          ? cause
          : new ChartwardenError('INTERNAL', { message: 'The signer store cannot be written, so nothing is signed; see the cause.', cause })
      throw broken
    }
  }
  return {
    epoch: claim.epoch,
    record: (origin) => records.get(origin),
    records: () => [...records.values()],
    advance: (advances) => {
      const next = last.then(() => advance(advances))
      last = next.catch(() => undefined)
      return next
    },
    close: async () => {
      await last
      broken = new ChartwardenError('INTERNAL', { message: 'This session of the signer store is closed.' })
      await claim.close()
    },
  }
}

/**
 * A store in a directory, made where it is missing. It must be one directory for all processes of the installation, on a file system that
 * shows a new file to everybody at once (a local disk, or NFS without caching of names).
 */
export const createDirectorySignerStore = (options: DirectorySignerStoreOptions): SignerStore => {
  const { files, installation, compactAfter = 4 * 1024 * 1024 } = options
  const check = (state: SignerState): SignerState => {
    if (state.records.size > 0 && state.installation !== undefined && state.installation !== installation)
      throw new StartError(
        `The signer store in ${files.directory} holds the heads of another installation. Name another directory in CHARTWARDEN_SIGNER_DIR, ` +
          'or, if this installation has taken the place of that one, run chartwarden log release.',
      )
    return { ...state, installation }
  }
  return {
    claim: () =>
      claimDirectory(files, check)
        .then((claim) => createSession(claim, compactAfter))
        .catch(asStartError(files)),
    read: async () => {
      await files.prepare().catch(asStartError(files))
      const state = await readState(files).catch(asStartError(files))
      return state === undefined ? [] : [...check(state).records.values()]
    },
  }
}
