import { InvalidArgumentError } from 'commander'

export type PropertyValue = boolean | number | string | string[]

export type PropertyValues = { readonly [name: string]: PropertyValue }

const parseValue = (text: string): PropertyValue => {
  if (text === 'true' || text === 'false') return text === 'true'
  if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text)) return Number(text)
  if (!text.startsWith('[') && !text.startsWith('"')) return text
  try {
    const value = JSON.parse(text) as unknown
    if (typeof value === 'string') return value
    if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value
  } catch {
    // Falls through: what is neither text nor a list of texts is as wrong as what is no JSON.
  }
  throw new InvalidArgumentError('Write a list as JSON, for example \'wards=["a","b"]\', and text that looks like a number in quotes.')
}

/** Collects `name=value` options: `true` and `false`, numbers, lists as JSON, anything else as text. A name given twice is refused. */
export const parseProperty = (text: string, before: PropertyValues | undefined): PropertyValues => {
  const equals = text.indexOf('=')
  if (equals < 1) throw new InvalidArgumentError('Write it as name=value.')
  const name = text.slice(0, equals)
  if (before !== undefined && Object.hasOwn(before, name)) throw new InvalidArgumentError(`${name} is given twice.`)
  return Object.fromEntries([...Object.entries(before ?? {}), [name, parseValue(text.slice(equals + 1))]])
}

/** Collects names of properties to take away. */
export const parseRemovedProperty = (text: string, before: readonly string[] | undefined): readonly string[] => {
  if (text === '' || text.includes('=')) throw new InvalidArgumentError('Write the name alone.')
  return [...(before ?? []), text]
}
