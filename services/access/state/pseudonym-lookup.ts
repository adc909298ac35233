import type { Pseudonym } from '../../audit/vault.ts'

const smallest = 2 ** 12

/**
 * Knows of most keys that they are not held, without looking: one bit for every few possible beginnings of a key, which is little enough to
 * stay in the processor's cache. Pseudonyms are evenly spread, so their beginnings are too.
 */
class Sieve {
  #bits = new Uint8Array(smallest / 8)

  /** To be told each key that is held from now on, and all of them, so that it can grow with them. */
  add(key: Pseudonym, held: { readonly size: number; keys(): Iterable<Pseudonym> }): void {
    if (held.size <= this.#bits.length) return this.#mark(key)
    this.#bits = new Uint8Array(this.#bits.length * 4)
    for (const each of held.keys()) this.#mark(each)
  }

  clear(): void {
    this.#bits = new Uint8Array(smallest / 8)
  }

  mayHold(key: Pseudonym): boolean {
    const place = this.#placeOf(key)
    return ((this.#bits[place >>> 3] as number) & (1 << (place & 7))) !== 0
  }

  #mark(key: Pseudonym): void {
    const place = this.#placeOf(key)
    this.#bits[place >>> 3] = (this.#bits[place >>> 3] as number) | (1 << (place & 7))
  }

  #placeOf(key: Pseudonym): number {
    const beginning = key.charCodeAt(0) ^ (key.charCodeAt(1) << 5) ^ (key.charCodeAt(2) << 10) ^ (key.charCodeAt(3) << 15)
    return beginning & (this.#bits.length * 8 - 1)
  }
}

/**
 * A map that is mostly asked for what it does not hold: most patients have no consent directive and most records no label, and a decision
 * must not wait for memory to learn so.
 */
export class PseudonymMap<V> extends Map<Pseudonym, V> {
  readonly #sieve = new Sieve()

  override set(key: Pseudonym, value: V): this {
    super.set(key, value)
    this.#sieve.add(key, this)
    return this
  }

  override clear(): void {
    super.clear()
    this.#sieve.clear()
  }

  /** As `get`, and faster where the answer is undefined. */
  find(key: Pseudonym): V | undefined {
    return this.#sieve.mayHold(key) ? this.get(key) : undefined
  }
}

/** A set that is mostly asked for what it does not hold. */
export class PseudonymSet extends Set<Pseudonym> {
  readonly #sieve = new Sieve()

  override add(key: Pseudonym): this {
    super.add(key)
    this.#sieve.add(key, this)
    return this
  }

  override clear(): void {
    super.clear()
    this.#sieve.clear()
  }

  /** As `has`, and faster where the answer is no. */
  holds(key: Pseudonym): boolean {
    return this.#sieve.mayHold(key) && this.has(key)
  }
}

/** As `get` of any map, by the quick way where the map has one. */
export const find = <V>(map: ReadonlyMap<Pseudonym, V>, key: Pseudonym): V | undefined =>
  map instanceof PseudonymMap ? (map as PseudonymMap<V>).find(key) : map.get(key)
