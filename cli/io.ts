import { once } from 'node:events'
import type { Writable } from 'node:stream'
import type { Clock } from '../services/kernel/clock.ts'
import type { Randomness } from '../services/kernel/ids.ts'

/** Everything a command touches outside itself. */
export interface Io {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Results, and nothing else. */
  readonly out: Writable
  /** Errors, warnings and progress. */
  readonly err: Writable
  readonly outIsTerminal: boolean
  readonly errIsTerminal: boolean
  readonly clock: Clock
  readonly randomness: Randomness
}

/**
 * Writes and waits while the reader is slower than we are, so that a long report is never held in memory. Throws what broke the stream, also when
 * it broke at an earlier write.
 */
export const write = async (stream: Writable, text: string): Promise<void> => {
  if (stream.destroyed) throw stream.errored ?? new Error('The output is closed.')
  if (stream.write(text)) return
  const settled = new AbortController()
  try {
    const { signal } = settled
    await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })])
  } finally {
    settled.abort()
  }
  if (stream.destroyed) throw stream.errored ?? new Error('The output is closed.')
}

/** Says something beside the result. That nobody can be told changes nothing about the work or how it ended. */
export const tell = async (io: Pick<Io, 'err'>, text: string): Promise<void> => {
  try {
    await write(io.err, text)
  } catch {
    // There is no other place to say it.
  }
}
