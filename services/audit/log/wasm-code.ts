/** As much of WebAssembly's binary format (core specification, chapter 5) as a routine on vectors of four 32-bit lanes takes. */

/** Bytes of instructions, nested as they were put together. An expression leaves one value on the stack. */
export type Code = number | readonly Code[]

const flatten = (code: Code, bytes: number[] = []): number[] => {
  if (typeof code === 'number') bytes.push(code)
  else for (const part of code) flatten(part, bytes)
  return bytes
}

/** LEB128 without a sign. */
const unsigned = (value: number): Code => (value < 128 ? value : [(value & 127) | 128, unsigned(value >>> 7)])

/** LEB128 with a sign. */
const signed = (value: number): Code => (value >= -64 && value < 64 ? value & 127 : [(value & 127) | 128, signed(value >> 7)])

const vectorOperation = (operation: number): Code => [0xfd, unsigned(operation)]
const chained =
  (operation: Code) =>
  (first: Code, ...terms: readonly Code[]): Code => [first, terms.map((term) => [term, operation])]

/** A whole number of 32 bits. */
export const integer = (value: number): Code => [0x41, signed(value)]
export const integerSum = chained(0x6a)
export const lessThan = (one: Code, other: Code): Code => [one, other, 0x48]

export const get = (local: number): Code => [0x20, unsigned(local)]
export const set = (local: number, value: Code): Code => [value, 0x21, unsigned(local)]

/** `body` again and again while `condition`, which comes after it, is not 0. */
export const repeat = (body: Code, condition: Code): Code => [0x03, 0x40, body, condition, 0x0d, 0x00, 0x0b]

/** A number in each lane. */
export const splat = (value: number): Code => [integer(value | 0), vectorOperation(0x11)]
export const sum = chained(vectorOperation(0xae))
export const xor = chained(vectorOperation(0x51))
export const or = chained(vectorOperation(0x50))
export const and = chained(vectorOperation(0x4e))

/** Bits of `one` where `mask` has ones, else of `other`. */
export const select = (mask: Code, one: Code, other: Code): Code => [one, other, mask, vectorOperation(0x52)]
export const shiftLeft = (value: Code, bits: number): Code => [value, integer(bits), vectorOperation(0xab)]
export const shiftRight = (value: Code, bits: number): Code => [value, integer(bits), vectorOperation(0xad)]
export const rotateRight = (value: Code, bits: number): Code => or(shiftRight(value, bits), shiftLeft(value, 32 - bits))

/** Sixteen bytes of two vectors, by their places: 0 to 15 are those of the first. */
export const shuffle = (one: Code, other: Code, places: readonly number[]): Code => [one, other, vectorOperation(0x0d), places]

/** Sixteen bytes of the memory; no alignment is needed. */
export const load = (address: Code, offset: number): Code => [address, vectorOperation(0x00), 0, unsigned(offset)]
export const store = (address: Code, offset: number, value: Code): Code => [address, value, vectorOperation(0x0b), 0, unsigned(offset)]

/** A number of the memory in each lane. */
export const loadSplat = (address: Code, offset: number): Code => [address, vectorOperation(0x09), 0, unsigned(offset)]

const integerType = 0x7f
const vectorType = 0x7b

const section = (id: number, body: Code): Code => {
  const bytes = flatten(body)
  return [id, unsigned(bytes.length), bytes]
}

const exported = (name: string, kind: number): Code => [name.length, [...Buffer.from(name)], kind, 0]

/** A module of one page of memory, exported as `memory`, and one function, `run`, of whole numbers and without a result. */
export const moduleOf = (parameters: number, vectors: number, body: Code): Uint8Array<ArrayBuffer> => {
  const code = flatten([1, unsigned(vectors), vectorType, body, 0x0b])
  return Uint8Array.from(
    flatten([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [1, 0x60, parameters, Array.from({ length: parameters }, () => integerType), 0]),
      section(3, [1, 0]),
      section(5, [1, 0, 1]),
      section(7, [2, exported('memory', 2), exported('run', 0)]),
      section(10, [1, unsigned(code.length), code]),
    ]),
  )
}
