/** What a signer store knows, and the bytes that it is kept in. */
import { hash } from 'node:crypto'
import { parseBase64 } from '../base64.ts'
import type { SignedHead, SignerRecord } from '../signer-store.ts'
import { hashLength } from '../tree-hash.ts'
import { parseUint64 } from '../uint64.ts'

export type RetirementCause = NonNullable<SignerRecord['retired']>['cause']

export const retirementCauses: readonly RetirementCause[] = ['restored_backup', 'lost_failover', 'damaged', 'other']

export interface SignerState {
  /** Whose heads they are; undefined: an operator has given the store free. */
  readonly installation: string | undefined
  /** By origin. */
  readonly records: ReadonlyMap<string, SignerRecord>
}

/** Nothing signed yet. */
export const emptyState: SignerState = { installation: undefined, records: new Map() }

/**
 * A journal is one line for the state it begins with and one for each write after it; a line is the SHA-256 of what follows, in hexadecimal,
 * a blank, and JSON. Readable without this program.
 */
export type ParsedJournal =
  | {
      readonly kind: 'state'
      readonly state: SignerState
      /** The last write did not reach the disk whole, so that nothing was signed upon it. */
      readonly torn: boolean
    }
  /** A line that once was whole is not the one that was written. Counted from 1. */
  | { readonly kind: 'damaged'; readonly line: number }

const format = 'chartwarden signer store 1'

type Line = readonly [origin: string, size: string, root: string, retired?: RetirementCause]

const toLine = ({ origin, size, root, retired }: SignerRecord): Line => {
  const head = [origin, String(size), Buffer.from(root).toString('base64')] as const
  return retired === undefined ? head : [...head, retired.cause]
}

const framed = (value: unknown): Buffer => {
  const json = JSON.stringify(value)
  return Buffer.from(`${hash('sha256', json)} ${json}\n`, 'utf8')
}

/** The line that a journal begins with. */
export const formatState = ({ installation, records }: SignerState): Buffer =>
  framed({ format, installation: installation ?? null, heads: [...records.values()].map(toLine) })

/** The line of one write. */
export const formatRecords = (records: readonly SignerRecord[]): Buffer => framed({ heads: records.map(toLine) })

const fromLine = (value: unknown): SignerRecord | undefined => {
  if (!Array.isArray(value)) return undefined
  const [origin, sizeText, rootText, cause] = value as readonly unknown[]
  if (typeof origin !== 'string' || typeof sizeText !== 'string' || typeof rootText !== 'string') return undefined
  const size = parseUint64(sizeText)
  const root = parseBase64(rootText)
  const known = retirementCauses.find((each) => each === cause)
  if (size === undefined || root?.length !== hashLength || (cause !== undefined && known === undefined)) return undefined
  return { origin, size, root, ...(known === undefined ? {} : { retired: { cause: known } }) }
}

interface Payload {
  readonly format?: unknown
  readonly installation?: unknown
  readonly heads?: unknown
}

const payloadOf = (line: Buffer): Payload | undefined => {
  const text = line.toString('utf8')
  const json = text.slice(65)
  return text.slice(0, 65) === `${hash('sha256', json)} ` ? (JSON.parse(json) as Payload) : undefined
}

const recordsOf = ({ heads }: Payload): readonly SignerRecord[] | undefined => {
  const records = Array.isArray(heads) ? heads.map(fromLine) : [undefined]
  return records.every((record) => record !== undefined) ? records : undefined
}

export const sameHead = (left: SignedHead, right: SignedHead): boolean =>
  left.origin === right.origin && left.size === right.size && Buffer.compare(left.root, right.root) === 0

/** Reads a journal. A cut-off or unwritten end is one write that never finished; anything else that does not add up is damage. */
export const parseJournal = (bytes: Buffer): ParsedJournal => {
  const records = new Map<string, SignerRecord>()
  let installation: string | undefined
  let line = 0
  for (let start = 0; start < bytes.length; ) {
    line += 1
    const end = bytes.indexOf('\n', start)
    const content = bytes.subarray(start, end === -1 ? bytes.length : end)
    const payload = end === -1 ? undefined : payloadOf(content)
    // A file that has grown holds zeros where its blocks were not written.
    const unfinished = end === -1 || (end === bytes.length - 1 && content.includes(0))
    if (payload === undefined && unfinished && line > 1) return { kind: 'state', state: { installation, records }, torn: true }
    const read = payload && recordsOf(payload)
    if (payload === undefined || read === undefined || (line === 1 && payload.format !== format)) return { kind: 'damaged', line }
    if (line === 1 && typeof payload.installation === 'string') installation = payload.installation
    for (const record of read) records.set(record.origin, record)
    start = end + 1
  }
  return line === 0 ? { kind: 'damaged', line: 1 } : { kind: 'state', state: { installation, records }, torn: false }
}
