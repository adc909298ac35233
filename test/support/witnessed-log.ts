/** A log as its witnesses see it: a key, and checkpoints of whatever tree it is made to sign. */
import { generateKeyPairSync } from 'node:crypto'
import { formatCheckpoint } from '../../services/audit/log/checkpoint.ts'
import { formatNote, formatSignature, formatVerifierKey, signNote, type VerifierKey, verifierKeyOf } from '../../services/audit/log/note.ts'
import { type AddCheckpoint, formatAddCheckpoint } from '../../services/audit/log/witness/add-checkpoint.ts'
import { type NaiveTree, naiveTreeOf, numberedEntries } from './naive-tree.ts'

export interface SignedHead {
  readonly size: bigint
  readonly root: Buffer
  readonly text: string
  readonly note: string
}

export interface WitnessedLog {
  readonly origin: string
  readonly key: VerifierKey
  /** The key as text. */
  readonly vkey: string
  /** What every replica of it should hold. */
  readonly tree: NaiveTree
  /** The signed head of that size; of another tree where one is given. */
  head(size: number, tree?: NaiveTree): SignedHead
  /** As `head`, of any root. */
  headOf(size: bigint, root: Buffer): SignedHead
  /** The body of a request as it should be; parts of it can be given otherwise. */
  request(from: number, to: number, other?: Partial<AddCheckpoint> & { readonly tree?: NaiveTree }): string
}

/** Entries like those of every log here up to `shared`, and others behind it. */
export const forkedTree = (count: number, shared: number): NaiveTree =>
  naiveTreeOf(numberedEntries(count).map((entry, index) => (index < shared ? entry : Buffer.from(`another ${index}`))))

export const witnessedLog = (origin = 'log.example/v1/clinics/north/log', entries = 40): WitnessedLog => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = verifierKeyOf(origin, privateKey)
  const tree = naiveTreeOf(numberedEntries(entries))
  const headOf = (size: bigint, root: Buffer): SignedHead => {
    const text = formatCheckpoint({ origin, size, root, extensions: [] })
    return { size, root, text, note: formatNote(text, [signNote(text, origin, privateKey)]) }
  }
  const head = (size: number, of = tree): SignedHead => headOf(BigInt(size), of.root(0n, BigInt(size)))
  return {
    origin,
    key,
    vkey: formatVerifierKey(key),
    tree,
    head,
    headOf,
    request: (from, to, { tree: of = tree, ...other } = {}) => {
      const proof = from === 0 || from >= to ? [] : of.proof(0n, BigInt(from), 0n, BigInt(to))
      return formatAddCheckpoint({ oldSize: BigInt(from), proof, note: head(to, of).note, ...other })
    },
  }
}

/** A line below a note that nobody here can verify. */
export const strangersLine = (text: string): string =>
  `${formatSignature(signNote(text, 'stranger.example', generateKeyPairSync('ed25519').privateKey))}\n`
