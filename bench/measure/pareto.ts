/** Draws indices below a count with Pareto-distributed weights. Of 200, the largest fifth has two thirds of everything. */

/** log 5 / log 4: of endlessly many, the largest fifth would have four fifths. */
const shape = Math.log(5) / Math.log(4)

/** `random` gives numbers in [0, 1). Index 0 is the most frequent. */
export const createParetoDraw = (count: number, random: () => number): (() => number) => {
  const sums: number[] = []
  let sum = 0
  for (let index = 0; index < count; index += 1) {
    sum += ((index + 0.5) / count) ** (-1 / shape)
    sums.push(sum)
  }
  return () => {
    const drawn = random() * sum
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] as number) > drawn) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** The same numbers for the same seed on every machine (Mulberry32); for drawing questions, never for secrets. */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
