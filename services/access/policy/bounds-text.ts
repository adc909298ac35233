/**
 * Bounds in one cell: `own_patients; fields(status, addressee)`. A code that holds anything but letters, digits and _ . : / + - is written
 * as a JSON string.
 */
import type { Bound } from '../events.ts'

const bareCode = /^[\p{L}\p{N}_.:/+-]+$/u

const codeText = (code: string): string => (bareCode.test(code) ? code : JSON.stringify(code))

export const boundsText = (bounds: readonly Bound[]): string =>
  bounds.map(({ kind, codes }) => (codes.length === 0 ? kind : `${kind}(${codes.map(codeText).join(', ')})`)).join('; ')

export type ReadBounds =
  | { readonly kind: 'bounds'; readonly bounds: readonly Bound[] }
  /** `rest` is what could not be read. */
  | { readonly kind: 'unreadable'; readonly rest: string }

/** Reads what `boundsText` writes, with blanks anywhere between its parts. Whether kinds and codes are permitted is not looked at. */
export const readBoundsText = (text: string): ReadBounds => {
  let at = 0
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at += found.length
    return found?.trim()
  }
  const takeCode = (): string | undefined => {
    const quoted = take(/\s*"(?:[^"\\]|\\.)*"\s*/y)
    if (quoted === undefined) return take(/[^(),;"]+/y) || undefined
    try {
      return JSON.parse(quoted) as string
    } catch {
      return undefined
    }
  }
  const unreadable = (from: number): ReadBounds => ({ kind: 'unreadable', rest: text.slice(from).trim() })
  const bounds: Bound[] = []
  while (take(/\s*$/y) === undefined) {
    const start = at
    const kind = take(/[^\s(),;"]+\s*/y) ?? (take(/\s+/y) === undefined ? undefined : take(/[^\s(),;"]+\s*/y))
    if (kind === undefined) return unreadable(start)
    const codes: string[] = []
    if (take(/\(\s*/y) !== undefined && take(/\)\s*/y) === undefined) {
      do {
        const code = takeCode()
        if (code === undefined) return unreadable(start)
        codes.push(code)
      } while (take(/,\s*/y) !== undefined)
      if (take(/\)\s*/y) === undefined) return unreadable(start)
    }
    bounds.push({ kind, codes })
    if (take(/;/y) === undefined && at < text.length) return unreadable(start)
  }
  return { kind: 'bounds', bounds }
}
