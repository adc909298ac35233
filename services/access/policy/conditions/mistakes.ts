/** Frequent mistakes of whoever writes a condition, told as what to write instead of what the library did not expect. */
import type { Fault } from './place.ts'

/** Operators of other languages. */
const words: Readonly<Record<string, string>> = { and: '&&', or: '||', is: '==', equals: '==' }

const tokens: Readonly<Record<string, string>> = {
  RPAREN: '")"',
  RBRACKET: '"]"',
  RBRACE: '"}"',
  LPAREN: '"("',
  COMMA: '","',
  COLON: '":"',
  DOT: '"."',
  EOF: 'the end',
  GT: '">"',
  LT: '"<"',
}

const token = (name: string): string => tokens[name] ?? name

const ofCharacter = (source: string, at: number): Fault | undefined => {
  const word = /^\p{L}+/u.exec(source.slice(at))?.[0].toLowerCase() ?? ''
  const operator = Object.hasOwn(words, word) ? words[word] : undefined
  if (operator !== undefined) return { message: `write ${operator}; there is no operator "${word}"`, at }
  const not = /\bnot\s+$/i.exec(source.slice(0, at))
  if (not !== null) return { message: 'write !; there is no operator "not"', at: not.index }
  switch (source[at]) {
    case '=':
      return { message: source.slice(at - 2, at) === '==' ? 'write ==; there is no ===' : 'write == to compare; there is no single =', at }
    case '&':
      return { message: 'write &&; there is no single &', at }
    case '|':
      return { message: 'write ||; there is no single |', at }
    case ')':
    case ']':
      return { message: `this "${source[at]}" closes nothing; one too many, or its opening one is missing`, at }
    case '“':
    case '”':
    case '„':
    case '‘':
    case '’':
      return { message: 'write straight quotation marks, as in "text"', at }
    default:
      return undefined
  }
}

/** An operation on two types as the library names them; most often a moment or a length of time is compared with a text. */
const ofTypes = (summary: string): string | undefined => {
  const [, operation, left, right] = /^no such overload: ((\S+) \S+ (\S+))$/.exec(summary) ?? []
  if (operation === undefined) return undefined
  const other = left === 'string' ? right : right === 'string' ? left : undefined
  const example = { timestamp: 'timestamp("2026-11-22T08:00:00Z")', duration: 'duration("24h")' }[other ?? '']
  return `these do not go together: ${operation}${example === undefined ? '' : `; a ${other} is written ${example}, not as a text alone`}`
}

/** `resource.properties.x-ray-kind` is a subtraction to CEL. */
const ofHyphen = (source: string, at: number): string | undefined => {
  const before = /((?:subject|resource|action)\.properties|context)\.(\w+(?:-\w+)*-)$/.exec(source.slice(0, at))
  const after = /^\w+(?:-\w+)*/.exec(source.slice(at))
  if (before === null || after === null) return undefined
  const [, root, start] = before
  return `a name with a hyphen is written ${root}["${start}${after[0]}"]; without, it is a subtraction`
}

/** The fault in plain words where it is a frequent mistake, else as it is. */
export const tellMistake = (source: string, fault: Fault): Fault => {
  const { message, at } = fault
  if (message.startsWith('Unexpected character')) return ofCharacter(source, at) ?? fault
  const [, expected, got] = /^Expected (\w+), got (\w+)$/.exec(message) ?? []
  if (expected !== undefined && got !== undefined) {
    return {
      message: got === 'EOF' ? `${token(expected)} is missing at the end` : `${token(expected)} is expected here, not ${token(got)}`,
      at,
    }
  }
  if (message === 'Unexpected token: EOF') return { message: 'it ends where something must follow', at }
  if (message === 'Unexpected token: GT' && source[at - 1] === '<') return { message: 'write != for unequal; there is no <>', at: at - 1 }
  if (message.startsWith('there is no ')) return { message: ofHyphen(source, at) ?? message, at }
  return { message: ofTypes(message) ?? message, at }
}

/** One letter more, less or other, or two next to each other swapped; upper and lower case are the same. */
export const isNearly = (name: string, meant: string): boolean => {
  const [one, other] = [name.toLowerCase(), meant.toLowerCase()]
  if (name === meant || Math.abs(one.length - other.length) > 1) return false
  let same = 0
  while (same < one.length && one[same] === other[same]) same += 1
  const rests = (skipOne: number, skipOther: number): boolean => one.slice(same + skipOne) === other.slice(same + skipOther)
  const swapped = one[same] === other[same + 1] && one[same + 1] === other[same] && rests(2, 2)
  return rests(0, 0) || rests(1, 1) || rests(1, 0) || rests(0, 1) || swapped
}
