import { type LabelValues, otherValue } from './metric-row.ts'

type Labels = Readonly<Record<string, string>>

/** The labels of one series: always the same object for the same values, each from its list or `other`. */
export type Series = (labels: Labels) => Labels

/** Values of a label without a list that are told apart; the code has fewer. */
const maxOpenValues = 200

const limit = (values: LabelValues): ((value: string) => string) => {
  if (typeof values !== 'string') {
    const known = new Set(values)
    return (value) => (known.has(value) ? value : otherValue)
  }
  const seen = new Set<string>()
  return (value) => {
    if (seen.size < maxOpenValues) seen.add(value)
    return seen.has(value) ? value : otherValue
  }
}

/** Keeps a metric's labels within what its row allows, and interns them. */
export const createSeries = (labels: Readonly<Record<string, LabelValues>>): Series => {
  const limits = Object.entries(labels).map(([name, values]) => ({ name, limited: limit(values) }))
  const known = new Map<string, Labels>()
  return (given) => {
    let key = ''
    for (const { name, limited } of limits) key += `${limited(given[name] ?? '')}\n`
    const found = known.get(key)
    if (found !== undefined) return found
    const values = key.split('\n')
    const made = Object.freeze(Object.fromEntries(limits.map(({ name }, index) => [name, values[index] as string])))
    known.set(key, made)
    return made
  }
}
