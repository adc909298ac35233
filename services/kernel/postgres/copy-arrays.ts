/**
 * Rows whose columns are all arrays, by COPY in its binary form (PostgreSQL, "COPY", "Binary Format"; an array in it: `array_send` of
 * src/backend/utils/adt/arrayfuncs.c). For many values it takes a fraction of the time of a result, which comes as text: no row of its own
 * for each, and nothing to decode.
 */
import type pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'

/** Elements of each column, as the server sends values of their type; one that is null is empty. */
export type ArrayRow = readonly (readonly Buffer[])[]

/** Signature, flags, and the length of an extension, of which there is none. */
const headerBytes = 11 + 4 + 4

/** Of an array of one dimension: dimensions, whether there are nulls, type; of the dimension: elements, number of the first. */
const arrayHeaderBytes = 5 * 4

const elementsOf = (array: Buffer): readonly Buffer[] => {
  const elements: Buffer[] = []
  for (let offset = arrayHeaderBytes; offset < array.length; ) {
    const start = offset + 4
    offset = start + Math.max(0, array.readInt32BE(offset))
    elements.push(array.subarray(start, offset))
  }
  return elements
}

/** All rows of a query, which cannot have parameters. Throws what the server answers. */
export const copyArrays = async (client: pg.ClientBase, query: string): Promise<readonly ArrayRow[]> => {
  const pieces: Buffer[] = []
  for await (const piece of client.query(copyTo(`copy (${query}) to stdout (format binary)`))) pieces.push(piece as Buffer)
  const copied = Buffer.concat(pieces)
  const rows: ArrayRow[] = []
  let offset = headerBytes
  for (let columns = copied.readInt16BE(offset); columns >= 0; columns = copied.readInt16BE(offset)) {
    offset += 2
    const row: (readonly Buffer[])[] = []
    for (let column = 0; column < columns; column += 1) {
      const start = offset + 4
      offset = start + Math.max(0, copied.readInt32BE(offset))
      row.push(elementsOf(copied.subarray(start, offset)))
    }
    rows.push(row)
  }
  return rows
}
