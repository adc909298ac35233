/** Where the text of a key set comes from: a file, a URL, or the caller itself. */
import { readFile, stat } from 'node:fs/promises'

export interface KeyDocument {
  /** For messages and the log; never with user or password. */
  readonly name: string
  /** The text as it is now, or undefined when it cannot have changed since the last read. Throws when it cannot be had. */
  read(): Promise<string | undefined>
  /** Least time between two reads that tokens with an unknown key ask for, in milliseconds. */
  readonly askedIntervalMs: number
  /** Time between two reads without being asked, in milliseconds; undefined: never. */
  readonly pollMs: number | undefined
  /** Whether the service may start without having read it: a server may be down, a file must be there. */
  readonly mayBeAbsent: boolean
}

/** Key sets are a few kilobytes; more is a mistake or an attack. */
const maxDocumentBytes = 262_144

/** Keys of the operator's file; looked at every two seconds, read when it was replaced or written. */
export const keyFile = (path: string): KeyDocument => {
  let seen: string | undefined
  return {
    name: path,
    askedIntervalMs: 500,
    pollMs: 2_000,
    mayBeAbsent: false,
    read: async () => {
      const { ino, mtimeMs, ctimeMs, size } = await stat(path)
      const mark = [ino, mtimeMs, ctimeMs, size].join(' ')
      if (mark === seen) return undefined
      if (size > maxDocumentBytes) throw new Error(`larger than ${maxDocumentBytes} bytes`)
      const text = await readFile(path, 'utf8')
      seen = mark
      return text
    },
  }
}

const readBody = async (response: Response): Promise<string> => {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > maxDocumentBytes) throw new Error(`larger than ${maxDocumentBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** Keys of an identity provider; fetched every five minutes. Redirects are refused: they would let the answer come from anywhere. */
export const keyUrl = (url: string, timeoutMs = 5_000): KeyDocument => ({
  name: url,
  askedIntervalMs: 5_000,
  pollMs: 300_000,
  mayBeAbsent: true,
  read: async () => {
    const response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: { accept: 'application/json' },
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`answered with status ${response.status}`)
    }
    return readBody(response)
  },
})

/** Keys that never change, such as the development key. */
export const inlineKeys = (jwks: { readonly keys: readonly unknown[] }): KeyDocument => ({
  name: 'the key set given',
  askedIntervalMs: Number.POSITIVE_INFINITY,
  pollMs: undefined,
  mayBeAbsent: false,
  read: async () => JSON.stringify(jwks),
})
