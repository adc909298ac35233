/** A witness as a process runs it: directory → lock → key → records → HTTP, and back again in reverse. */
import { mkdir } from 'node:fs/promises'
import type { Clock } from '../../../kernel/clock.ts'
import type { HostPort } from '../../../kernel/host-port.ts'
import { acquireStateLock } from '../../../kernel/postgres/state-lock.ts'
import { StartError } from '../../../kernel/start-error.ts'
import type { TlsMaterial } from '../../../kernel/tls.ts'
import type { VerifierKey } from '../note.ts'
import { createWitness, type Witness, type WitnessOptions } from './witness.ts'
import { isWitnessName, makeWitnessKey, readWitnessKey, type WitnessKey } from './witness-key.ts'
import { createWitnessRecords, type WitnessRecord, type WitnessRecords } from './witness-records.ts'
import { createWitnessServer } from './witness-server.ts'

export interface RunWitnessOptions extends Pick<WitnessOptions, 'onAnswer' | 'decide'> {
  /** Made where it is missing. Nothing else may be in it. */
  readonly directory: string
  /** Needed where the directory has no key yet; otherwise it must be the key's, or absent. */
  readonly name?: string | undefined
  readonly logs: ReadonlyMap<string, readonly VerifierKey[]>
  readonly address: HostPort
  readonly tls?: TlsMaterial | undefined
  readonly clock: Clock
  readonly onFault: (error: unknown) => void
}

export interface RunningWitness {
  readonly port: number
  readonly key: WitnessKey
  /** Whether the key was made by this start. */
  readonly newKey: boolean
  readonly records: Witness['records']
  readonly forks: WitnessRecords['forks']
  /** Finishes what is under way and gives the directory back. */
  close(): Promise<void>
}

const openKey = async (directory: string, name: string | undefined): Promise<{ readonly key: WitnessKey; readonly newKey: boolean }> => {
  const key = await readWitnessKey(directory)
  if (key !== undefined) {
    if (name !== undefined && name !== key.name)
      throw new StartError(`The witness in ${directory} is called ${key.name}. Leave the name out, or use another directory.`)
    return { key, newKey: false }
  }
  if (name === undefined)
    throw new StartError(
      `There is no witness in ${directory} yet. Give it a name to make one, for example --name witness.accountant.example.`,
    )
  if (!isWitnessName(name)) throw new StartError('The name of a witness has no blanks, no + and at most 255 characters.')
  return { key: await makeWitnessKey(directory, name), newKey: true }
}

/** Throws StartError when the directory is in use, damaged or nameless, or the address cannot be had. */
export const runWitness = async (options: RunWitnessOptions): Promise<RunningWitness> => {
  const { directory, name, logs, address, tls, clock, onAnswer, decide, onFault } = options
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new StartError(`The directory ${directory} cannot be made: ${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'}.`, {
      cause,
    })
  }
  const lock = await acquireStateLock({ directory, clock, advice: 'stop that witness first, or use another directory' })
  try {
    const { key, newKey } = await openKey(directory, name)
    const records = createWitnessRecords(directory, key.verifierKey)
    const witness = await createWitness({
      logs,
      key,
      records,
      clock,
      ...(onAnswer === undefined ? {} : { onAnswer }),
      ...(decide === undefined ? {} : { decide }),
    })
    const server = createWitnessServer({ witness, address, tls, onFault })
    const port = await server.start()
    const close = async (): Promise<void> => {
      await server.close()
      lock.release()
    }
    return { port, key, newKey, records: witness.records, forks: records.forks, close }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** What a directory holds, without disturbing a witness that runs on it. */
export interface WitnessStatus {
  readonly key: WitnessKey
  readonly records: readonly WitnessRecord[]
  /** Files that prove a fork, by the hash of the log's origin. */
  readonly forks: ReadonlyMap<string, string>
}

/** Throws StartError when there is no witness in the directory, or it is damaged. */
export const readWitnessStatus = async (directory: string): Promise<WitnessStatus> => {
  const key = await readWitnessKey(directory)
  if (key === undefined) throw new StartError(`There is no witness in ${directory}.`)
  const records = createWitnessRecords(directory, key.verifierKey)
  return { key, records: await records.read(), forks: await records.forks() }
}
