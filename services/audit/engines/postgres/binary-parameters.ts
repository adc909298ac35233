/**
 * Parameters in PostgreSQL's binary formats. The text form of an array costs the client and the server several times as much (measured), and
 * node-pg sends a Buffer as a binary parameter untouched.
 */
const oid = { boolean: 16, bigint: 20, integer: 23, text: 25, uuid: 2950 } as const
const headerBytes = 20

/** One-dimensional array without nulls; `write` puts element `index` at `offset`. An array of no elements has no dimension. */
const fixedArray = (type: number, length: number, size: number, write: (array: Buffer, offset: number, index: number) => void): Buffer => {
  const array = Buffer.allocUnsafe(headerBytes + length * (4 + size))
  writeHeader(array, type, length)
  for (let index = 0, offset = headerBytes; index < length; index += 1, offset += 4 + size) {
    array.writeInt32BE(size, offset)
    write(array, offset + 4, index)
  }
  return array
}

const writeHeader = (array: Buffer, type: number, length: number): void => {
  array.writeInt32BE(1, 0)
  array.writeInt32BE(0, 4)
  array.writeInt32BE(type, 8)
  array.writeInt32BE(length, 12)
  array.writeInt32BE(1, 16)
}

export const integerArray = (values: readonly number[]): Buffer =>
  fixedArray(oid.integer, values.length, 4, (array, offset, index) => array.writeInt32BE(values[index] as number, offset))

export const bigintArray = (values: readonly bigint[]): Buffer =>
  fixedArray(oid.bigint, values.length, 8, (array, offset, index) => array.writeBigInt64BE(values[index] as bigint, offset))

export const booleanArray = (values: readonly boolean[]): Buffer =>
  fixedArray(oid.boolean, values.length, 1, (array, offset, index) => array.writeUInt8(values[index] ? 1 : 0, offset))

/** Canonical UUID texts, 36 characters each. */
export const uuidArray = (values: readonly string[]): Buffer =>
  fixedArray(oid.uuid, values.length, 16, (array, offset, index) =>
    array.write((values[index] as string).replaceAll('-', ''), offset, 'hex'),
  )

export const textArray = (values: readonly string[]): Buffer => {
  const texts = values.map((value) => Buffer.from(value, 'utf8'))
  const array = Buffer.allocUnsafe(headerBytes + texts.reduce((sum, text) => sum + 4 + text.length, 0))
  writeHeader(array, oid.text, texts.length)
  let offset = headerBytes
  for (const text of texts) {
    array.writeInt32BE(text.length, offset)
    text.copy(array, offset + 4)
    offset += 4 + text.length
  }
  return array
}
