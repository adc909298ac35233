/** Where in a source something is wrong. */
export interface Fault {
  readonly message: string
  /** Characters (UTF-16 code units) before it. */
  readonly at: number
}

/** Line and column, both counted from 1. */
export const placeOf = (source: string, at: number): { readonly line: number; readonly column: number } => {
  const before = source.slice(0, Math.max(0, at))
  return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') }
}
