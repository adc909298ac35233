/** A small ledger with its log, made from numbers alone, to be damaged in tests of verification. */
import { createHash, createPrivateKey, type KeyObject } from 'node:crypto'
import { formatCheckpoint } from '../../services/audit/log/checkpoint.ts'
import { formatBundle } from '../../services/audit/log/entry-bundle.ts'
import { formatNote, formatVerifierKey, signNote, type VerifierKey, verifierKeyOf } from '../../services/audit/log/note.ts'
import { inclusionPath } from '../../services/audit/log/proof-path.ts'
import type { Tile } from '../../services/audit/log/tile.ts'
import { formatTlogProof } from '../../services/audit/log/tlog-proof.ts'
import { appendLeaves, edgeRoot, emptyEdge } from '../../services/audit/log/tree-edge.ts'
import { leafHash, leafMessage } from '../../services/audit/log/tree-hash.ts'
import type { FoundEntry, LedgerPart } from '../../services/audit/log/verify/found.ts'
import { type ReadCheckpoint, type ReadReceipt, readCheckpoint, readReceipt } from '../../services/audit/log/verify/kept.ts'
import type { LedgerSource } from '../../services/audit/log/verify/verify-ledger.ts'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** An Ed25519 key that is always the same for the same seed. */
export const logKeyOf = (seed: string): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), digest(seed)]),
    format: 'der',
    type: 'pkcs8',
  })

export const originOf = (clinic: string, generation = 1): string =>
  `log.example/v1/clinics/${clinic}/log${generation === 1 ? '' : `/${generation}`}`

const uuidOf = (text: string): string => {
  const hex = digest(text).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

const typeOfEntry = 'chartwarden.access.recorded.v1'

/** Bytes as the service writes them. `what` makes them differ. */
export const entryBytes = (clinic: string, revision: bigint, what = ''): Buffer => {
  const name = `${clinic} ${revision} ${what}`
  const time = new Date(Date.UTC(2026, 0, 1) + Number(revision) * 1000).toISOString()
  return Buffer.from(
    `{"caller":"test","data":{"what":"${what}"},"datacontenttype":"application/json","id":"${uuidOf(name)}","requestdigest":"${digest(name).toString('base64')}","salt":"${digest(`salt ${name}`).subarray(0, 16).toString('base64')}","source":"/clinics/${clinic}","specversion":"1.0","time":"${time}","type":"${typeOfEntry}"}`,
  )
}

const rootOf = (entries: readonly Uint8Array[], from = 0n, to = BigInt(entries.length)): Buffer =>
  edgeRoot(appendLeaves(emptyEdge, Buffer.concat(entries.slice(Number(from), Number(to)).map(leafHash))).edge)

/** Every tile of the tree over these entries, each as wide as it gets. */
export const tilesOf = (entries: readonly Uint8Array[]): readonly Tile[] =>
  appendLeaves(emptyEdge, Buffer.concat(entries.map(leafHash))).tiles

export const checkpointOf = (clinic: string, entries: readonly Uint8Array[], size: bigint, key: KeyObject, generation = 1): string => {
  const origin = originOf(clinic, generation)
  const text = formatCheckpoint({ origin, size, root: rootOf(entries, 0n, size), extensions: [] })
  return formatNote(text, [signNote(text, origin, key)])
}

export const receiptOf = (clinic: string, entries: readonly Uint8Array[], index: bigint, size: bigint, key: KeyObject): string =>
  formatTlogProof({
    index,
    hashes: inclusionPath(index, { start: 0n, end: size }).map(({ start, end }) => rootOf(entries, start, end)),
    checkpoint: checkpointOf(clinic, entries, size, key),
  })

export const keptCheckpoint = (note: string, label: string): ReadCheckpoint => {
  const read = readCheckpoint(note, label)
  if (read === undefined) throw new Error('no checkpoint')
  return read
}

export const keptReceipt = (text: string, label: string): ReadReceipt => {
  const read = readReceipt(text, label)
  if (read === undefined) throw new Error('no receipt')
  return read
}

export const verifierKeyFor = (clinic: string, key: KeyObject, generation = 1): VerifierKey =>
  verifierKeyOf(originOf(clinic, generation), key)

/** Entries as a source shows them, numbered by their places; undefined: there is none at that place. */
export const foundIn = (rows: readonly (Buffer | undefined)[]): readonly FoundEntry[] =>
  rows.flatMap((bytes, revision) => (bytes === undefined ? [] : [{ revision: BigInt(revision), message: leafMessage(bytes) }]))

/** Entries by revision, in rows of 256, and behind each its tiles. */
async function* partsOf(entries: readonly FoundEntry[], tiles: readonly Tile[]): AsyncGenerator<LedgerPart> {
  const last = entries.at(-1)?.revision ?? -1n
  const leaves = tiles.filter(({ level }) => level === 0)
  const rows = BigInt(Math.max(Number(last / 256n) + 1, ...leaves.map(({ index }) => Number(index) + 1)))
  for (let index = 0n; index < rows; index += 1n) {
    yield { kind: 'entries', entries: entries.filter(({ revision }) => revision / 256n === index) }
    for (const tile of leaves.filter((each) => each.index === index)) yield { kind: 'tile', tile }
  }
  for (const tile of tiles.filter(({ level }) => level > 0)) yield { kind: 'tile', tile }
}

export interface KeptLedger {
  readonly clinic: string
  readonly entries: readonly FoundEntry[]
  readonly tiles: readonly Tile[]
  readonly published: readonly string[]
  readonly keys: readonly VerifierKey[]
  readonly claimedSize?: bigint
}

export const sourceOf = ({ clinic, entries, tiles, published, keys, claimedSize }: KeptLedger): LedgerSource => ({
  clinic,
  published,
  verifierKeys: keys.map(formatVerifierKey),
  hasColumns: entries.some(({ columns }) => columns !== undefined),
  ...(claimedSize === undefined ? {} : { claimedSize }),
  read: () => partsOf(entries, tiles),
})

/** The same ledger as bundles of what follows each other, the way a log hands it out. */
export const inBundles = (source: LedgerSource): LedgerSource => ({
  ...source,
  async *read() {
    for await (const part of source.read()) {
      if (part.kind !== 'entries') {
        yield part
        continue
      }
      for (let at = 0; at < part.entries.length; ) {
        const first = part.entries[at]?.revision ?? 0n
        const rest = part.entries.slice(at)
        const end = rest.findIndex(({ revision }, place) => revision !== first + BigInt(place))
        const run = end === -1 ? rest : rest.slice(0, end)
        yield { kind: 'bundle', bundle: { first, most: run.length, bytes: formatBundle(run.map(({ message }) => message.subarray(1))) } }
        at += run.length
      }
    }
  },
})
