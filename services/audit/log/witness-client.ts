/**
 * Asks a witness for its cosignature (C2SP tlog-witness v1.0.0). A witness is somebody else's machine: what it answers is bounded in time and
 * size, is never followed elsewhere, and counts only once its own key verifies it.
 */
import { cosignatureTimestamp, verifyCosignature } from './cosignature.ts'
import { decodeNote, formatSignature, parseSignature, type VerifierKey } from './note.ts'
import { parseUint64 } from './uint64.ts'
import { type AddCheckpoint, formatAddCheckpoint } from './witness/add-checkpoint.ts'

export interface WitnessClientOptions {
  /** Submission prefix of the witness. */
  readonly url: string
  /** What its cosignatures are verified with. */
  readonly key: VerifierKey
  /** For a whole answer, milliseconds. Defaults to 5,000. */
  readonly timeoutMs?: number
}

/** A head to be cosigned. */
export interface Submission extends AddCheckpoint {
  /** The part of the note that is signed. */
  readonly text: string
}

export type WitnessReply =
  /** `line`: the signature line without its line feed, verified. */
  | { readonly kind: 'cosigned'; readonly line: string; readonly timestamp: bigint }
  /** It cosigned a checkpoint of this size last (409). */
  | { readonly kind: 'conflict'; readonly size: bigint }
  /** The proof does not fit what it has cosigned (422). */
  | { readonly kind: 'not_proven' }
  /** It does not know the log (404) or its key (403), or did not understand (400). */
  | { readonly kind: 'refused'; readonly status: 400 | 403 | 404 }
  /** Not reached, not in time, or it says that it cannot now (429, 5xx). */
  | { readonly kind: 'unavailable'; readonly cause: unknown }
  /** An answer that the protocol does not have, or a cosignature that is not this witness's. */
  | { readonly kind: 'nonsense'; readonly why: string }

export interface WitnessClient {
  /** Never rejects. */
  addCheckpoint(submission: Submission, signal: AbortSignal): Promise<WitnessReply>
}

/** Some signature lines, the long ones of ML-DSA among them. */
const maxAnswerBytes = 65_536

/** Undefined: longer than any answer is. */
const readBody = async (response: Response): Promise<Buffer | undefined> => {
  const parts: Uint8Array[] = []
  let length = 0
  // Leaving the loop early cancels the rest.
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > maxAnswerBytes) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts)
}

const nonsense = (why: string): WitnessReply => ({ kind: 'nonsense', why })

/** Lines of other keys are ignored, as the protocol asks; one that claims to be of this key and is not counts for nothing either. */
const readCosignature = (body: string, text: string, key: VerifierKey): WitnessReply => {
  for (const line of body.split('\n')) {
    const signature = parseSignature(line)
    const timestamp = signature === undefined ? undefined : cosignatureTimestamp(signature)
    if (signature !== undefined && timestamp !== undefined && verifyCosignature(text, signature, key))
      return { kind: 'cosigned', line: formatSignature(signature), timestamp }
  }
  return nonsense('no cosignature of this checkpoint by its key')
}

const readSize = (body: string): WitnessReply => {
  const size = body.endsWith('\n') ? parseUint64(body.slice(0, -1)) : undefined
  return size === undefined ? nonsense('a conflict without a size') : { kind: 'conflict', size }
}

const readReply = (status: number, body: Buffer | undefined, text: string, key: VerifierKey): WitnessReply => {
  if (status === 429 || status >= 500) return { kind: 'unavailable', cause: new Error(`status ${status}`) }
  if (status === 400 || status === 403 || status === 404) return { kind: 'refused', status }
  if (status === 422) return { kind: 'not_proven' }
  if (status !== 200 && status !== 409) return nonsense(`status ${status}`)
  const words = body === undefined ? undefined : decodeNote(body)
  if (words === undefined) return nonsense(body === undefined ? 'an answer that does not end' : 'an answer that is not UTF-8')
  return status === 200 ? readCosignature(words, text, key) : readSize(words)
}

export const createWitnessClient = ({ url, key, timeoutMs = 5_000 }: WitnessClientOptions): WitnessClient => {
  const address = `${url.replace(/\/+$/, '')}/add-checkpoint`
  return {
    addCheckpoint: async (submission, signal) => {
      try {
        const response = await fetch(address, {
          method: 'POST',
          // A redirect is an answer like any other, and no right one.
          redirect: 'manual',
          headers: { 'content-type': 'text/plain; charset=utf-8' },
          body: formatAddCheckpoint(submission),
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        })
        return readReply(response.status, await readBody(response), submission.text, key)
      } catch (cause) {
        return { kind: 'unavailable', cause }
      }
    },
  }
}
