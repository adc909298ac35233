/**
 * Which request ids a file has used, and with what. Kept outside the JavaScript heap, 32 bytes a slot in a table at most three quarters full, so
 * that a file of millions of events fits: ids and contents by their digests, which nobody makes collide by accident (96 bits and more).
 */
import { hash } from 'node:crypto'

export type Seen =
  | { readonly kind: 'new' }
  | { readonly kind: 'repeated' }
  /** The id stands on that line already, with other content. */
  | { readonly kind: 'contradicts'; readonly line: number }

export interface SeenAccesses {
  see(requestId: string, content: Uint8Array, line: number): Seen
}

const slotWords = 8
const firstSlots = 1024

export const createSeenAccesses = (): SeenAccesses => {
  let slots = firstSlots
  let words = new Uint32Array(slots * slotWords)
  let used = 0

  /** Where a key stands or would stand; words 0 to 3 are the key, 4 to 6 the content, 7 the line, which is never 0. */
  const placeOf = (key: Uint32Array): number => {
    for (let slot = (key[0] as number) % slots; ; slot = (slot + 1) % slots) {
      const at = slot * slotWords
      if (words[at + 7] === 0) return at
      if (words[at] === key[0] && words[at + 1] === key[1] && words[at + 2] === key[2] && words[at + 3] === key[3]) return at
    }
  }

  const grow = (): void => {
    const old = words
    slots *= 2
    words = new Uint32Array(slots * slotWords)
    for (let at = 0; at < old.length; at += slotWords) {
      if (old[at + 7] === 0) continue
      const slot = old.subarray(at, at + slotWords)
      words.set(slot, placeOf(slot))
    }
  }

  return {
    see: (requestId, content, line) => {
      const key = new Uint32Array(Uint8Array.from(Buffer.from(requestId.replaceAll('-', ''), 'hex')).buffer)
      const digest = new Uint32Array(Uint8Array.from(hash('sha256', content, 'buffer')).buffer)
      const at = placeOf(key)
      if (words[at + 7] !== 0) {
        const equal = [0, 1, 2].every((index) => words[at + 4 + index] === digest[index])
        return equal ? { kind: 'repeated' } : { kind: 'contradicts', line: words[at + 7] as number }
      }
      words.set(key, at)
      words.set(digest.subarray(0, 3), at + 4)
      words[at + 7] = line
      used += 1
      if (used * 4 > slots * 3) grow()
      return { kind: 'new' }
    },
  }
}
