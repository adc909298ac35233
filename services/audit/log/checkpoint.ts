/** A tree head as the text of a note (C2SP tlog-checkpoint v1.0.0). */
import { parseBase64 } from './base64.ts'
import { hashLength } from './tree-hash.ts'
import { parseUint64 } from './uint64.ts'

export interface Checkpoint {
  /** Which log it is of. */
  readonly origin: string
  readonly size: bigint
  /** 32 bytes. */
  readonly root: Buffer
  /** Further lines. No monitor can check them, so this service writes none; those of others are kept as they are. */
  readonly extensions: readonly string[]
}

/** The text to sign, its last line feed included. */
export const formatCheckpoint = ({ origin, size, root, extensions }: Checkpoint): string =>
  [origin, String(size), root.toString('base64'), ...extensions, ''].join('\n')

/**
 * Undefined unless every line is well formed and there are no control characters but line feeds. Says nothing about the tree: whether a
 * checkpoint of size 0 has the root of the empty tree is for whoever compares roots.
 */
export const parseCheckpoint = (text: string): Checkpoint | undefined => {
  const lines = text.split('\n')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the control characters are what is looked for.
  if (lines.pop() !== '' || lines.includes('') || /[\0-\x09\x0b-\x1f]/.test(text) || !text.isWellFormed()) return undefined
  const [origin, sizeLine, rootLine, ...extensions] = lines
  if (origin === undefined || sizeLine === undefined || rootLine === undefined) return undefined
  const size = parseUint64(sizeLine)
  const root = parseBase64(rootLine)
  if (size === undefined || root?.length !== hashLength) return undefined
  return { origin, size, root, extensions }
}
