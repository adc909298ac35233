/**
 * SHA-256 (FIPS 180-4) of four nodes of the tree at once, one in each lane of a vector, in a quarter of the time of a call of OpenSSL for each:
 * most of that is the call (bench/README.md, "Building a tree"). A node has 65 bytes, 0x01 and two hashes, hence two blocks: the second holds
 * the last byte, the padding and the length.
 */
import {
  and,
  type Code,
  get,
  integer,
  integerSum,
  lessThan,
  load,
  loadSplat,
  moduleOf,
  or,
  repeat,
  rotateRight,
  select,
  set,
  shiftLeft,
  shiftRight,
  shuffle,
  splat,
  store,
  sum,
  xor,
} from './wasm-code.ts'

const lanes = 4
const rounds = 64
const nodeBits = 65 * 8

/** Where the constants of the rounds stand in the memory: beyond all hashes. */
const constantsStart = 61_440

/** Locals: the parameters, two of which are only places to count in, and behind them the vectors. */
const [input, output, groups, blocks, constantsAt] = [0, 1, 2, 3, 4]
const parameters = 5
const vectors = 37
const word = (place: number): number => parameters + (place % 16)
const state = (place: number): number => parameters + 16 + place
const kept = (place: number): number => parameters + 24 + place
const scratch = (place: number): number => parameters + 32 + place
const lastWord = parameters + 36

/** The first 32 bits behind the point of the `degree`-th root of a prime. */
const rootBits = (prime: bigint, degree: bigint): number => {
  const wanted = prime << (32n * degree)
  let [low, high] = [0n, prime << 32n]
  while (low < high) {
    const middle = (low + high + 1n) >> 1n
    if (middle ** degree <= wanted) low = middle
    else high = middle - 1n
  }
  return Number(BigInt.asUintN(32, low))
}

const firstPrimes = (count: number): bigint[] => {
  const primes: bigint[] = []
  for (let candidate = 2n; primes.length < count; candidate += 1n) {
    if (primes.every((prime) => candidate % prime !== 0n)) primes.push(candidate)
  }
  return primes
}

/** Sections 5.3.3 and 4.2.2. */
const initial = firstPrimes(8).map((prime) => rootBits(prime, 2n))
const constants = firstPrimes(rounds).map((prime) => rootBits(prime, 3n))

const each = (count: number, code: (place: number) => Code): Code => Array.from({ length: count }, (_, place) => code(place))

const rotations = (local: number, first: number, ...bits: readonly number[]): Code =>
  xor(rotateRight(get(local), first), ...bits.map((each) => rotateRight(get(local), each)))

/** Sixteen rounds. After them the state stands where it stood, so that they can be repeated. */
const sixteenRounds = (scheduled: boolean): Code =>
  each(16, (round) => {
    const at = (place: number): number => state((place + 16 - round) % 8)
    const [a, b, c, d, e, f, g, h] = [at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)]
    const [current, next, before7, before2] = [word(round), word(round + 1), word(round + 9), word(round + 14)]
    const schedule = sum(
      get(current),
      get(before7),
      xor(rotations(next, 7, 18), shiftRight(get(next), 3)),
      xor(rotations(before2, 17, 19), shiftRight(get(before2), 10)),
    )
    const constant = loadSplat(get(constantsAt), 4 * round)
    return [
      scheduled ? set(current, schedule) : [],
      set(h, sum(get(h), get(current), constant, rotations(e, 6, 11, 25), select(get(e), get(f), get(g)))),
      set(d, sum(get(d), get(h))),
      set(h, sum(get(h), rotations(a, 2, 13, 22), select(xor(get(a), get(b)), get(c), get(b)))),
    ]
  })

const advance = (local: number, by: number): Code => set(local, integerSum(get(local), integer(by)))

/** The block whose words are in place. Its rounds are a loop so that their code stays in the processor's nearest cache. */
const compress = (): Code => [
  each(8, (place) => set(kept(place), get(state(place)))),
  set(constantsAt, integer(constantsStart)),
  sixteenRounds(false),
  repeat([advance(constantsAt, 64), sixteenRounds(true)], lessThan(get(constantsAt), integer(constantsStart + 4 * (rounds - 16)))),
  each(8, (place) => set(state(place), sum(get(state(place)), get(kept(place))))),
]

const lowPairs = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23]
const highPairs = [8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31]
/** Halves of two vectors, each word with its bytes turned round. */
const lowHalves = [3, 2, 1, 0, 7, 6, 5, 4, 19, 18, 17, 16, 23, 22, 21, 20]
const highHalves = [11, 10, 9, 8, 15, 14, 13, 12, 27, 26, 25, 24, 31, 30, 29, 28]

/** Four rows of four words become four columns, from the order of bytes of the memory to that of the hash or back. */
const transpose = (from: (row: number) => number, to: (column: number) => number): Code => [
  set(scratch(0), shuffle(get(from(0)), get(from(1)), lowPairs)),
  set(scratch(1), shuffle(get(from(2)), get(from(3)), lowPairs)),
  set(scratch(2), shuffle(get(from(0)), get(from(1)), highPairs)),
  set(scratch(3), shuffle(get(from(2)), get(from(3)), highPairs)),
  set(to(0), shuffle(get(scratch(0)), get(scratch(1)), lowHalves)),
  set(to(1), shuffle(get(scratch(0)), get(scratch(1)), highHalves)),
  set(to(2), shuffle(get(scratch(2)), get(scratch(3)), lowHalves)),
  set(to(3), shuffle(get(scratch(2)), get(scratch(3)), highHalves)),
]

/** Sixteen bytes of each of four nodes, as four words. */
const loadWords = (offset: number, to: (column: number) => number): Code => [
  each(lanes, (lane) => set(kept(lane), load(get(input), 64 * lane + offset))),
  transpose(kept, to),
]

const secondBlock = (): Code => [
  set(word(0), get(lastWord)),
  each(14, (place) => set(word(place + 1), splat(0))),
  set(word(15), splat(nodeBits)),
]

const group = (): Code => [
  loadWords(49, kept),
  set(lastWord, or(shiftLeft(get(kept(3)), 24), splat(0x00800000))),
  each(4, (quarter) => loadWords(16 * quarter, (column) => word(4 * quarter + column))),
  set(word(0), or(and(get(word(0)), splat(0x00ffffff)), splat(0x01000000))),
  initial.map((value, place) => set(state(place), splat(value))),
  set(blocks, integer(2)),
  repeat([compress(), secondBlock(), advance(blocks, -1)], get(blocks)),
  each(2, (half) => [
    transpose((row) => state(4 * half + row), kept),
    each(lanes, (lane) => store(get(output), 32 * lane + 16 * half, get(kept(lane)))),
  ]),
]

/**
 * Four nodes at a time, forwards, so that what comes out may take the place of what went in. The input begins a byte ahead of the first hash,
 * where the message has its 0x01: its words are those of the message, whatever that byte is.
 */
const program = (): Code => repeat([group(), advance(input, 64 * lanes), advance(output, 32 * lanes), advance(groups, -1)], get(groups))

/** Hashes nodes in a memory of its own. */
export interface NodeLanes {
  /** 60 KiB. */
  readonly memory: Uint8Array
  /**
   * Puts the nodes of the pairs of hashes that begin at `offset`, which is above 0, in their place. Works on whole groups of four pairs, so
   * that some bytes behind the last node change too.
   */
  hashPairs(offset: number, pairs: number): void
}

/** The types of Node leave WebAssembly to those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly run: (input: number, output: number, groups: number, blocks: 0, constantsAt: 0) => void
}

export const createNodeLanes = (): NodeLanes => {
  const module = new WebAssembly.Module(moduleOf(parameters, vectors, program()))
  const { memory, run } = new WebAssembly.Instance(module).exports as Exports
  const view = new DataView(memory.buffer, constantsStart)
  for (const [round, constant] of constants.entries()) view.setUint32(4 * round, constant, true)
  return {
    memory: new Uint8Array(memory.buffer, 0, constantsStart),
    hashPairs: (offset, pairs) => run(offset - 1, offset, Math.ceil(pairs / lanes), 0, 0),
  }
}
