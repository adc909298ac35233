import { InvalidArgumentError, Option } from 'commander'
import { parseList } from '../../input/parsers.ts'

/** An option that takes some of these names, separated by commas. */
export const choicesOption = (flags: string, what: string, names: readonly string[], otherwise = 'all'): Option =>
  new Option(flags, `${what}, separated by commas: ${names.join(', ')} (default: ${otherwise})`).argParser((text) => {
    const parts = parseList(text)
    const unknown = parts.find((part) => !names.includes(part))
    if (unknown !== undefined) throw new InvalidArgumentError(`There is no "${unknown}"; choose from ${names.join(', ')}.`)
    return parts
  })
