/** Pages of lists that are folded in memory. A token is the place to go on from; it gives no access by itself. */
import type { Fields } from './fields.ts'

const defaultPageSize = 100
const maxPageSize = 1_000

/** 0: 100; at most 1,000. */
export const pageSize = (fields: Fields, asked: number): number => {
  if (asked < 0 || asked > maxPageSize) fields.fault('page_size', `must lie between 0 and ${maxPageSize}`)
  return asked === 0 ? defaultPageSize : asked
}

export const pageToken = (place: readonly string[]): string => Buffer.from(JSON.stringify(place), 'utf8').toString('base64url')

/** The place a token names; undefined for an empty one. */
export const readPageToken = (fields: Fields, token: string, parts: number): readonly string[] | undefined => {
  if (token === '') return undefined
  try {
    const place = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as unknown
    if (Array.isArray(place) && place.length === parts && place.every((part) => typeof part === 'string')) return place
  } catch {
    // Falls through: what is not JSON is as wrong as what has another shape.
  }
  fields.fault('page_token', 'is not one of ours; start again without it')
  return undefined
}
