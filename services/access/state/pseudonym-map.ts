import type { Pseudonym } from '../../audit/vault.ts'

const smallest = 2 ** 12

/**
 * A map that mostly knows what it does not hold without looking: most patients have no consent directive and most records no label, and a
 * decision must not wait for memory to learn so. Beside the entries it keeps one bit for every few possible beginnings of a key, which is
 * little enough to stay in the processor's cache; pseudonyms are evenly spread, so their beginnings are too. It grows with its entries.
 */
export class PseudonymMap<V> extends Map<Pseudonym, V> {
  #bits = new Uint8Array(smallest / 8)

  override set(key: Pseudonym, value: V): this {
    super.set(key, value)
    if (this.size > this.#bits.length) {
      this.#bits = new Uint8Array(this.#bits.length * 4)
      for (const held of this.keys()) this.#mark(held)
    } else {
      this.#mark(key)
    }
    return this
  }

  override clear(): void {
    super.clear()
    this.#bits = new Uint8Array(smallest / 8)
  }

  /** As `get`, and faster where the answer is undefined. */
  find(key: Pseudonym): V | undefined {
    const place = this.#placeOf(key)
    return ((this.#bits[place >>> 3] as number) & (1 << (place & 7))) === 0 ? undefined : this.get(key)
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

/** As `get` of any map, by the quick way where the map has one. */
export const find = <V>(map: ReadonlyMap<Pseudonym, V>, key: Pseudonym): V | undefined =>
  map instanceof PseudonymMap ? (map as PseudonymMap<V>).find(key) : map.get(key)
