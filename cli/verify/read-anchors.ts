/** Files that a person has kept, and what they name: bounded in size and read before anything else is asked. */
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { decodeNote, parseVerifierKey, type VerifierKey } from '../../services/audit/log/note.ts'
import { clinicOfOrigin, type ReadCheckpoint, type ReadReceipt, readCheckpoint, readReceipt } from '../../services/audit/log/verify/kept.ts'
import type { Anchors } from '../../services/audit/log/verify/verify-ledger.ts'
import { parseWitnessPolicy, type WitnessPolicy } from '../../services/audit/log/witness-policy.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'

export interface GivenAnchors {
  readonly checkpoints: readonly ReadCheckpoint[]
  readonly receipts: readonly ReadReceipt[]
  /** Given one by one. */
  readonly keys: readonly VerifierKey[]
  readonly policy: WitnessPolicy | undefined
}

export interface AnchorOptions {
  readonly trustedCheckpoint?: readonly string[]
  readonly receipt?: readonly string[]
  readonly key?: readonly string[]
  readonly policy?: string
}

/** Characters of the longest note, policy or receipt. */
const mostTextBytes = 1_000_000

const invalid = (message: string, cause?: unknown): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', cause === undefined ? { message } : { message, cause })

/** Throws INVALID_ARGUMENT for a file that cannot be read or is longer than `limit`. */
export const readBounded = async (path: string, limit: number): Promise<Buffer> => {
  let bytes: Buffer
  try {
    const file = await open(path)
    try {
      bytes = Buffer.alloc(limit + 1)
      let length = 0
      for (;;) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length)
        length += bytesRead
        if (bytesRead === 0 || length > limit) break
      }
      bytes = bytes.subarray(0, length)
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw invalid(`The file ${path} cannot be read.`, cause)
  }
  if (bytes.length > limit) throw invalid(`The file ${path} is longer than what it should be can be (${limit} bytes).`)
  return bytes
}

export const readNoteFile = async (path: string): Promise<string> => {
  const text = decodeNote(await readBounded(path, mostTextBytes))
  if (text === undefined) throw invalid(`The file ${path} is not UTF-8.`)
  return text
}

const checkpointOf = async (path: string): Promise<ReadCheckpoint> => {
  const read = readCheckpoint(await readNoteFile(path), `the checkpoint in ${path}`)
  if (read === undefined) throw invalid(`The file ${path} is not a signed checkpoint (C2SP tlog-checkpoint).`)
  return read
}

const receiptOf = async (path: string): Promise<ReadReceipt> => {
  const read = readReceipt(await readNoteFile(path), `the receipt in ${path}`)
  if (read === undefined) throw invalid(`The file ${path} is not a receipt (C2SP tlog-proof).`)
  return read
}

const policyOf = async (path: string): Promise<WitnessPolicy> => {
  const policy = parseWitnessPolicy(await readNoteFile(path))
  if ('problem' in policy) throw invalid(`The policy ${path} cannot be used: line ${policy.line}: ${policy.problem}.`)
  return policy
}

/** A verifier key, or @ and a file of them. Throws INVALID_ARGUMENT for what is neither. */
export const readKeys = async (given: string): Promise<readonly VerifierKey[]> => {
  const lines = given.startsWith('@') ? (await readNoteFile(given.slice(1))).split('\n').filter((line) => line.trim() !== '') : [given]
  return lines.map((line) => {
    const key = parseVerifierKey(line.trim())
    if (key === undefined) {
      const meant = !given.startsWith('@') && existsSync(given) ? ` Did you mean @${given}?` : ''
      throw invalid(`"${line}" is not a verifier key (C2SP signed-note), nor @ and a file of them.${meant}`)
    }
    return key
  })
}

/** Everything that was given to compare with. Throws INVALID_ARGUMENT for what is not what it should be. */
export const readAnchors = async (options: AnchorOptions): Promise<GivenAnchors> => {
  const { trustedCheckpoint = [], receipt = [], key = [] } = options
  const policy = options.policy === undefined ? undefined : await policyOf(options.policy)
  return {
    checkpoints: await Promise.all(trustedCheckpoint.map(checkpointOf)),
    receipts: await Promise.all(receipt.map(receiptOf)),
    keys: (await Promise.all(key.map(readKeys))).flat(),
    policy,
  }
}

/** A label at the beginning of a sentence. */
export const sentence = (label: string): string => `${label.charAt(0).toUpperCase()}${label.slice(1)}`

const isOfClinic = (clinic: string, name: string): boolean => clinicOfOrigin(name) === clinic

/** Throws INVALID_ARGUMENT where something that was given is of the log of another clinic. */
export const requireClinicOf = (clinic: string, { checkpoints, receipts, keys }: GivenAnchors): void => {
  const all = [...checkpoints, ...receipts.map(({ checkpoint }) => checkpoint)]
  const other = all.find((checkpoint) => checkpoint.clinic !== clinic)
  if (other !== undefined) throw invalid(`${sentence(other.label)} is of the log ${other.origin}, not of the clinic ${clinic}.`)
  const key = keys.find(({ name }) => !isOfClinic(clinic, name))
  if (key !== undefined) throw invalid(`The key ${key.name} is not of the log of the clinic ${clinic}.`)
}

/** What was given for one clinic; a policy may name the keys of many. */
export const anchorsOf = ({ checkpoints, receipts, keys, policy }: GivenAnchors, clinic: string): Anchors => ({
  checkpoints: checkpoints.filter((checkpoint) => checkpoint.clinic === clinic),
  receipts: receipts.filter(({ checkpoint }) => checkpoint.clinic === clinic),
  keys: [...keys, ...(policy?.logs.map(({ key }) => key) ?? [])].filter(({ name }) => isOfClinic(clinic, name)),
  policy,
})
