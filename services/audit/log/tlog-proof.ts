/** A receipt: the proof that an entry is in a log, complete in one text (C2SP tlog-proof, draft). */
import { parseBase64 } from './base64.ts'
import { parseCheckpoint } from './checkpoint.ts'
import { parseNote } from './note.ts'
import { hashLength } from './tree-hash.ts'
import { parseUint64 } from './uint64.ts'

export interface TlogProof {
  /** Of the entry, zero-based. */
  readonly index: bigint
  /** Inclusion proof, the sibling of the leaf first. */
  readonly hashes: readonly Buffer[]
  /** The signed note, with whatever cosignatures it has. */
  readonly checkpoint: string
  /** Nobody has signed it: never to be believed. */
  readonly extra?: Buffer
}

const header = 'c2sp.org/tlog-proof@v1'

/** Hashes of a proof in a tree of 2^64 entries. */
const maxHashes = 64

export const formatTlogProof = ({ index, hashes, checkpoint, extra }: TlogProof): string =>
  [
    header,
    ...(extra === undefined ? [] : [`extra ${extra.toString('base64')}`]),
    `index ${index}`,
    ...hashes.map((hash) => hash.toString('base64')),
    '',
    checkpoint,
  ].join('\n')

const after = (prefix: string, line: string | undefined): string | undefined =>
  line?.startsWith(prefix) ? line.slice(prefix.length) : undefined

/** Undefined unless all of it is well formed, the checkpoint included. Verifies nothing. */
export const parseTlogProof = (text: string): TlogProof | undefined => {
  const end = text.indexOf('\n\n')
  if (end === -1) return undefined
  const [first, ...lines] = text.slice(0, end).split('\n')
  const extraText = after('extra ', lines[0])
  const extra = extraText === undefined ? undefined : parseBase64(extraText)
  if (first !== header || (extraText !== undefined && extra === undefined)) return undefined
  const [indexLine, ...hashLines] = extraText === undefined ? lines : lines.slice(1)
  const index = parseUint64(after('index ', indexLine) ?? '')
  const hashes = hashLines.slice(0, maxHashes + 1).map(parseBase64)
  if (index === undefined || hashes.length > maxHashes || !hashes.every((hash) => hash?.length === hashLength)) return undefined
  const checkpoint = text.slice(end + 2)
  const note = parseNote(checkpoint)
  if (note === undefined || parseCheckpoint(note.text) === undefined) return undefined
  return { index, hashes: hashes as Buffer[], checkpoint, ...(extra === undefined ? {} : { extra }) }
}
