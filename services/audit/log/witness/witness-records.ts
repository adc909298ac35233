/**
 * What a witness has cosigned last, one file a log: the checkpoint as it is served, its own cosignature below. A file is replaced whole and
 * is on the disk before the cosignature leaves the process; one that is damaged stops the start, since a witness that forgets could be led to
 * cosign another history.
 */
import { hash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../../../kernel/replace-file.ts'
import { StartError } from '../../../kernel/start-error.ts'
import { parseCheckpoint } from '../checkpoint.ts'
import { cosignatureTimestamp } from '../cosignature.ts'
import { decodeNote, type VerifierKey, verifyNote } from '../note.ts'
import type { CosignedHead } from './judge.ts'

/** A log as the witness knows it. */
export interface WitnessRecord {
  readonly origin: string
  readonly head: CosignedHead
  /** Of the cosignature, seconds since the epoch. */
  readonly cosignedAt: bigint
  /** The checkpoint, the witness's cosignature below it. */
  readonly note: string
}

/** Where records are kept. */
export interface WitnessRecords {
  read(): Promise<readonly WitnessRecord[]>
  /** Durable once it resolves. One call a log at a time. */
  write(record: Pick<WitnessRecord, 'origin' | 'note'>): Promise<void>
  /** Keeps a note that proves a fork; the first of a log stays. Answers with where it is. */
  keepFork(origin: string, note: string): Promise<string>
  /** Files of forks, by the hash of their origin. */
  forks(): Promise<ReadonlyMap<string, string>>
}

/** How the read side names a log: SHA-256 of its origin, hexadecimal. */
export const originHash = (origin: string): string => hash('sha256', origin)

const checkpointEnding = '.checkpoint'
const forkEnding = '.fork'

const readRecord = async (file: string, key: VerifierKey): Promise<WitnessRecord | undefined> => {
  const note = decodeNote(await readFile(file))
  const verified = note === undefined ? undefined : verifyNote(note, [key])
  if (note === undefined || verified?.kind !== 'verified') return undefined
  const checkpoint = parseCheckpoint(verified.text)
  const [signature] = verified.signatures
  const cosignedAt = signature === undefined ? undefined : cosignatureTimestamp(signature)
  if (checkpoint === undefined || cosignedAt === undefined) return undefined
  const { origin, size, root } = checkpoint
  return file.endsWith(`${originHash(origin)}${checkpointEnding}`) ? { origin, head: { size, root }, cosignedAt, note } : undefined
}

/** Records in the files of a directory; `key`: the witness's own, which every record must bear. */
export const createWitnessRecords = (directory: string, key: VerifierKey): WitnessRecords => {
  const fileOf = (origin: string, ending: string): string => join(directory, `${originHash(origin)}${ending}`)
  const filesOf = async (ending: string): Promise<string[]> => (await readdir(directory)).filter((name) => name.endsWith(ending)).sort()
  return {
    read: async () => {
      const records: WitnessRecord[] = []
      for (const name of await filesOf(checkpointEnding)) {
        const file = join(directory, name)
        const record = await readRecord(file, key)
        if (record === undefined) {
          throw new StartError(
            `The witness's record ${file} is damaged or not this witness's own. Do not delete it: without it another history could be cosigned. See docs/how-to/witness.md.`,
          )
        }
        records.push(record)
      }
      return records
    },
    write: ({ origin, note }) => replaceFile(fileOf(origin, checkpointEnding), note),
    keepFork: async (origin, note) => {
      const file = fileOf(origin, forkEnding)
      await writeFile(file, note, { flag: 'wx', mode: 0o600, flush: true }).catch((thrown: NodeJS.ErrnoException) => {
        if (thrown.code !== 'EEXIST') throw thrown
      })
      return file
    },
    forks: async () =>
      new Map((await filesOf(forkEnding)).map((name) => [name.slice(0, -forkEnding.length), join(directory, name)] as const)),
  }
}
