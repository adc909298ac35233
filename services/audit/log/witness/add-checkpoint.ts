/** What a witness is asked (C2SP tlog-witness v1.0.0, "add-checkpoint"): both sides of the protocol read and write it here. */
import { parseBase64 } from '../base64.ts'
import { type Checkpoint, parseCheckpoint } from '../checkpoint.ts'
import { decodeNote, parseNote } from '../note.ts'
import { hashLength } from '../tree-hash.ts'
import { parseUint64 } from '../uint64.ts'

/** Hashes that a proof may have: enough for every tree of 2^63 entries. */
const maxProofHashes = 63

/** The longest proof with room for a checkpoint that carries many signatures, the long ones of ML-DSA among them. */
export const maxRequestBytes = 65_536

/** Of the answer that names a size. */
export const sizeMediaType = 'text/x.tlog.size'

export interface AddCheckpoint {
  /** Size of the checkpoint that the witness cosigned last, as far as the sender knows; 0: none. */
  readonly oldSize: bigint
  /** From the old size to that of the checkpoint; empty where the old size is 0. */
  readonly proof: readonly Buffer[]
  /** The signed note. */
  readonly note: string
}

/** A request as it arrived, with what its note says. */
export interface ReceivedCheckpoint extends AddCheckpoint {
  readonly checkpoint: Checkpoint
  /** The part of the note that is signed. */
  readonly text: string
}

/** The body of the request. */
export const formatAddCheckpoint = ({ oldSize, proof, note }: AddCheckpoint): string =>
  [`old ${oldSize}`, ...proof.map((hash) => hash.toString('base64')), '', note].join('\n')

const parseHash = (line: string): Buffer | undefined => {
  const hash = parseBase64(line)
  return hash?.length === hashLength ? hash : undefined
}

/** Undefined: not what the protocol says a request is. That a note is well formed says nothing about its signatures. */
export const parseAddCheckpoint = (body: Uint8Array): ReceivedCheckpoint | undefined => {
  const all = body.length > maxRequestBytes ? undefined : decodeNote(body)
  const headEnd = all?.indexOf('\n\n') ?? -1
  if (all === undefined || headEnd < 0) return undefined
  const [first = '', ...lines] = all.slice(0, headEnd).split('\n')
  const note = all.slice(headEnd + 2)
  const oldSize = first.startsWith('old ') ? parseUint64(first.slice('old '.length)) : undefined
  const proof = lines.map(parseHash)
  if (oldSize === undefined || proof.length > maxProofHashes || !proof.every((hash) => hash !== undefined)) return undefined
  const text = parseNote(note)?.text
  const checkpoint = text === undefined ? undefined : parseCheckpoint(text)
  return text === undefined || checkpoint === undefined ? undefined : { oldSize, proof, note, checkpoint, text }
}
