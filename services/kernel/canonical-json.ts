/**
 * RFC 8785 (JSON Canonicalization Scheme). What cannot be written the same way everywhere is refused rather than repaired: NaN, Infinity,
 * lone surrogates, `undefined` in an array, and anything that is not plain JSON. Members whose value is `undefined` are left out, as in JSON.
 */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue | undefined }

/** Text that is written as it stands: printable ASCII without quote and backslash. Most of what an entry holds. */
const plainText = /^[ !#-[\]-~]*$/

const writeString = (text: string): string => {
  if (plainText.test(text)) return `"${text}"`
  if (!text.isWellFormed()) throw new TypeError('a string holds a lone surrogate')
  return JSON.stringify(text)
}

const write = (value: unknown): string => {
  if (value === null || value === true || value === false) return String(value)
  if (typeof value === 'string') return writeString(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('a number is not finite')
    return JSON.stringify(value)
  }
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (typeof value !== 'object') throw new TypeError(`a ${typeof value} is not JSON`)
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('only plain objects are JSON')
  const members = value as Record<string, unknown>
  let text = ''
  // The default sort compares UTF-16 code units, which is what RFC 8785, section 3.2.3, asks for.
  for (const name of Object.keys(members).sort()) {
    const member = members[name]
    if (member === undefined) continue
    text += `${text === '' ? '' : ','}${writeString(name)}:${write(member)}`
  }
  return `{${text}}`
}

/** The canonical text of a JSON value. Throws TypeError for what RFC 8785 cannot represent. */
export const canonicalJson = (value: JsonValue): string => write(value)
