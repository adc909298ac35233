/**
 * Who may write into a signer store's directory. A claim makes the file `epoch-<n>`, which only one process can, and reads the newest journal
 * after that; it goes on in a journal of its own, which begins with all that it read. Whoever is about to sign looks for a higher epoch after
 * its record is durable. If there is none, the record was there before any later claim began to read. If there is one, nothing is signed, and
 * what the old journal holds beyond what the new session read means nothing.
 */
import { ChartwardenError } from '../../../kernel/errors.ts'
import { StartError } from '../../../kernel/start-error.ts'
import type { AppendedFile, SignerFiles } from './signer-files.ts'
import { emptyState, formatState, parseJournal, type SignerState } from './signer-state.ts'

interface Name {
  readonly epoch: bigint
  /** A session goes on in another journal when the one before has grown long. */
  readonly part: bigint
}

const epochFile = (epoch: bigint): string => `epoch-${epoch}`
const journalFile = ({ epoch, part }: Name): string => `journal-${epoch}-${part}`

const epochIn = (name: string): bigint | undefined => {
  const digits = /^epoch-(\d{1,18})$/.exec(name)?.[1]
  return digits === undefined ? undefined : BigInt(digits)
}

const journalIn = (name: string): Name | undefined => {
  const [, epoch, part] = /^journal-(\d{1,18})-(\d{1,18})(?:\.[0-9a-f]+\.new)?$/.exec(name) ?? []
  return epoch === undefined || part === undefined ? undefined : { epoch: BigInt(epoch), part: BigInt(part) }
}

const isWhole = (name: string): boolean => !name.endsWith('.new')

const highestEpoch = (names: readonly string[]): bigint =>
  names.reduce((highest, name) => {
    const epoch = epochIn(name) ?? 0n
    return epoch > highest ? epoch : highest
  }, 0n)

const isBefore = (left: Name, right: Name): boolean => left.epoch < right.epoch || (left.epoch === right.epoch && left.part < right.part)

const newestJournal = (names: readonly string[]): Name | undefined =>
  names
    .filter(isWhole)
    .map(journalIn)
    .reduce((newest, name) => (name !== undefined && (newest === undefined || isBefore(newest, name)) ? name : newest), undefined)

/** Any fault of the file system as a StartError that names the directory; for `catch`. */
export const asStartError =
  ({ directory }: SignerFiles) =>
  (cause: unknown): never => {
    if (cause instanceof StartError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    throw new StartError(`The signer store in ${directory} cannot be used: ${code ?? 'unknown reason'}.`, { cause })
  }

/** Times that a reader starts again because whoever writes has just gone on in another file. */
const maxRereads = 100

/** What a directory holds. Undefined: nothing yet. Throws StartError where it cannot be trusted. */
export const readState = async (files: SignerFiles): Promise<SignerState | undefined> => {
  for (let attempt = 0; attempt < maxRereads; attempt += 1) {
    const names = await files.list()
    const newest = newestJournal(names)
    if (newest === undefined) {
      if (highestEpoch(names) === 0n) return undefined
      throw new StartError(
        `The signer store in ${files.directory} has lost its journal. Bring the directory back from its backup; docs/how-to/keep-the-signer-store.md.`,
      )
    }
    const bytes = await files.read(journalFile(newest))
    if (bytes === undefined) continue
    const journal = parseJournal(bytes)
    if (journal.kind === 'state') return journal.state
    throw new StartError(
      `The signer store in ${files.directory} is damaged: line ${journal.line} of ${journalFile(newest)} is not what was written. ` +
        'Bring the directory back from its backup; docs/how-to/keep-the-signer-store.md.',
    )
  }
  throw new StartError(`The signer store in ${files.directory} changes faster than it can be read.`, { mayPass: true })
}

/** The right to write, with what was there when it was gained. */
export interface Claim {
  readonly epoch: bigint
  readonly state: SignerState
  /** The epoch of whoever has claimed since; undefined: nobody. Throws when this session's own files are gone. */
  supersededBy(): Promise<bigint | undefined>
  /** Durable once it resolves. */
  append(bytes: Buffer): Promise<void>
  /** Goes on in another journal that begins with this state. */
  compact(state: SignerState): Promise<void>
  /** Bytes of the journal. */
  length(): number
  close(): Promise<void>
}

const makeEpoch = async (files: SignerFiles): Promise<bigint> => {
  for (;;) {
    const epoch = highestEpoch(await files.list()) + 1n
    if (await files.create(epochFile(epoch))) return epoch
  }
}

/**
 * Claims the directory. `check` sees the state first, before anybody is superseded, and again after; it throws where it must not be claimed,
 * and returns the state to go on with.
 */
export const claimDirectory = async (files: SignerFiles, check: (state: SignerState) => SignerState): Promise<Claim> => {
  await files.prepare()
  const before = await readState(files)
  check(before ?? emptyState)
  // The first journal is there before the first epoch, so that epochs without a journal always mean a loss.
  if (before === undefined) await files.put(journalFile({ epoch: 0n, part: 0n }), formatState(emptyState))
  const epoch = await makeEpoch(files)
  const state = check((await readState(files)) ?? emptyState)

  let name: Name = { epoch, part: -1n }
  let file: AppendedFile | undefined
  let length = 0
  const supersededBy = async (): Promise<bigint | undefined> => {
    const seen = highestEpoch(await files.list())
    if (seen === epoch && (await file?.stillThere()) === true) return undefined
    const highest = seen > epoch ? seen : highestEpoch(await files.list())
    if (highest > epoch) return highest
    throw new ChartwardenError('INTERNAL', {
      message: `The signer store in ${files.directory} was moved, replaced or deleted while it was in use; nothing is signed.`,
    })
  }
  // Journals first: whoever lists while two others claim in turn, and so might see neither of their epochs, misses its journal then.
  const removeOlder = async (): Promise<void> => {
    const names = await files.list()
    const journals = names.filter((each) => isBefore(journalIn(each) ?? name, name))
    const epochs = names.filter((each) => (epochIn(each) ?? epoch) < epoch)
    for (const each of [...journals, ...epochs]) await files.remove(each)
  }
  const goOn = async (next: SignerState): Promise<void> => {
    const bytes = formatState(next)
    const following: Name = { epoch, part: name.part + 1n }
    await files.put(journalFile(following), bytes)
    const opened = await files.openToAppend(journalFile(following))
    await file?.close()
    name = following
    file = opened
    length = bytes.length
    await removeOlder()
  }
  // Whoever has claimed in the meantime tidies up what this one is about to write: it finds itself superseded as soon as it asks.
  const compact = async (next: SignerState): Promise<void> => {
    try {
      await goOn(next)
    } catch (error) {
      if (highestEpoch(await files.list()) <= epoch) throw error
    }
  }
  const close = async (): Promise<void> => {
    await file?.close()
    file = undefined
  }
  try {
    await compact(state)
  } catch (error) {
    await close()
    throw error
  }
  return {
    epoch,
    state,
    supersededBy,
    append: async (bytes) => {
      if (file === undefined) throw new Error('there is no journal to append to')
      await file.append(bytes)
      length += bytes.length
    },
    compact,
    length: () => length,
    close,
  }
}
