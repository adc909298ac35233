/** A relay in front of Postgres that cuts connections at chosen places of what goes by. */
import type { Test } from 'tap'
import { startTcpRelay } from './tcp-relay.ts'

/**
 * `at`: after this many more bytes, either way. `behind`: as soon as a request of an append has passed. `answer`: in place of its answer, so
 * that what it stores is stored.
 */
export type Cut = { readonly kind: 'at'; readonly bytes: number } | { readonly kind: 'behind' | 'answer' }

export interface CuttingRelay {
  /** The same login through the relay. */
  readonly url: string
  /** One after the other, in place of what was planned. */
  plan(cuts: readonly Cut[]): void
  /** How many cuts were made so far. */
  made(): number
}

/** The prepared statement that appends, as its requests name it. */
const appending = 'chartwarden_append'

/** What a chunk is to the appends of its connection. */
type Part = 'request' | 'answer' | 'other'

/** After how many bytes of the chunk the cut comes; undefined if it comes later. */
const placeOf = (cut: Cut, chunk: Buffer, part: Part): number | undefined => {
  switch (cut.kind) {
    case 'at':
      return cut.bytes <= chunk.length ? cut.bytes : undefined
    case 'behind':
      return part === 'request' ? chunk.length : undefined
    case 'answer':
      return part === 'answer' ? 0 : undefined
  }
}

export const openCuttingRelay = async (t: Test, writerUrl: string): Promise<CuttingRelay> => {
  const url = new URL(writerUrl)
  let planned: Cut[] = []
  let made = 0
  const asking = new Set<number>()

  const partOf = (chunk: Buffer, from: 'client' | 'server', connection: number): Part => {
    if (from === 'server') return asking.delete(connection) ? 'answer' : 'other'
    if (!chunk.includes(appending)) return 'other'
    asking.add(connection)
    return 'request'
  }

  const relay = await startTcpRelay(t, url.host, (chunk, from, connection) => {
    const part = partOf(chunk, from, connection)
    const [next] = planned
    if (next === undefined) return 'all'
    const place = placeOf(next, chunk, part)
    if (place === undefined) {
      if (next.kind === 'at') planned[0] = { kind: 'at', bytes: next.bytes - chunk.length }
      return 'all'
    }
    planned.shift()
    made += 1
    return { cutAfter: place }
  })
  url.host = relay.address
  return {
    url: url.href,
    plan: (cuts) => {
      planned = [...cuts]
    },
    made: () => made,
  }
}
