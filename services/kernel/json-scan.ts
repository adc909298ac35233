/** Reads the tokens of a JSON text (RFC 8259) one by one, for what JSON.parse does not tell: where a text stops being JSON, and what stands twice. */

type JsonFault =
  | { readonly kind: 'syntax'; readonly line: number; readonly column: number }
  /** An object has this member more than once. */
  | { readonly kind: 'repeated'; readonly path: string }

/** A member of what stands at a path; the empty path is the whole. */
export const memberPath = (path: string, name: string): string => {
  const shown = name.toWellFormed().slice(0, 100).toWellFormed()
  return path === '' ? shown : `${path}.${shown}`
}

export const itemPath = (path: string, index: number): string => `${path}[${index}]`

interface Open {
  /** Names of the members so far; undefined: a list. */
  readonly members: Set<string> | undefined
  /** The member or item that is being read. */
  at: string | number
}

type Expected = 'value' | 'value or ]' | 'name' | 'name or }' | ':' | ', or end' | 'nothing'

const space = /[\t\n\r ]*/y
const symbolOrWord = /[[\]{}:,]|(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][+-]?[0-9]+)?)(?![\w.+-])/y
const escaping = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y

const matchAt = (pattern: RegExp, text: string, offset: number): string | undefined => {
  pattern.lastIndex = offset
  return pattern.exec(text)?.[0]
}

/** The string that begins there, quotes and all. No single pattern: those keep what they have passed, and a body may be one long string. */
const stringAt = (text: string, offset: number): string | undefined => {
  for (let at = offset + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return text.slice(offset, at + 1)
    if (code < 0x20) return undefined
    if (code === 0x5c) {
      const escaped = matchAt(escaping, text, at)
      if (escaped === undefined) return undefined
      at += escaped.length - 1
    }
  }
  return undefined
}

const placeOf = (text: string, offset: number): JsonFault => {
  const before = text.slice(0, offset)
  return { kind: 'syntax', line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
}

const pathTo = (open: readonly Open[]): string => {
  let path = ''
  for (const { at } of open) path = typeof at === 'string' ? memberPath(path, at) : itemPath(path, at)
  return path
}

/**
 * Where a text stops being JSON, or else the first member that an object has twice; undefined: neither. Lines and columns count from 1.
 */
export const jsonFault = (text: string): JsonFault | undefined => {
  const open: Open[] = []
  let expected: Expected = 'value'
  let offset = 0
  let repeated: JsonFault | undefined
  for (;;) {
    offset += matchAt(space, text, offset)?.length ?? 0
    if (offset === text.length) return expected === 'nothing' ? repeated : placeOf(text, offset)
    const found = text[offset] === '"' ? stringAt(text, offset) : matchAt(symbolOrWord, text, offset)
    const inside = open.at(-1)
    if (found === undefined) return placeOf(text, offset)
    if (expected === 'value' || (expected === 'value or ]' && found !== ']')) {
      if (found === '{' || found === '[') {
        open.push(found === '{' ? { members: new Set(), at: '' } : { members: undefined, at: 0 })
        expected = found === '{' ? 'name or }' : 'value or ]'
      } else if (/^[\]}:,]/.test(found)) return placeOf(text, offset)
      else expected = inside === undefined ? 'nothing' : ', or end'
    } else if (inside === undefined) return placeOf(text, offset)
    else if (expected === ':') {
      if (found !== ':') return placeOf(text, offset)
      expected = 'value'
    } else if (found === (inside.members === undefined ? ']' : '}') && expected !== 'name') {
      open.pop()
      expected = open.length === 0 ? 'nothing' : ', or end'
    } else if (expected === ', or end') {
      if (found !== ',') return placeOf(text, offset)
      if (typeof inside.at === 'number') inside.at += 1
      expected = inside.members === undefined ? 'value' : 'name'
    } else {
      if (inside.members === undefined || !found.startsWith('"')) return placeOf(text, offset)
      inside.at = JSON.parse(found) as string
      if (repeated === undefined && inside.members.has(inside.at)) repeated = { kind: 'repeated', path: pathTo(open) }
      inside.members.add(inside.at)
      expected = ':'
    }
    offset += found.length
  }
}
