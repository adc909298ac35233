/** The values of an enumeration of the contract as people type them and read them: in lower case, with hyphens. */
export interface EnumCodes<Value extends number> {
  /** In the order of the contract, without the value that is never sent. */
  readonly names: readonly string[]
  /** The value of a name out of `names`. */
  valueOf(name: string): Value
  /** Empty for the value that is never sent, and a number for one that this version does not know. */
  nameOf(value: Value): string
}

/** `members`: the enumeration as generated; `without`: values that cannot be meant here. */
export const enumCodes = <Value extends number>(
  members: Readonly<Record<string, string | Value>>,
  without: readonly Value[] = [],
): EnumCodes<Value> => {
  const values = new Map<string, Value>()
  for (const [name, value] of Object.entries(members)) {
    if (typeof value === 'number' && value !== 0 && !without.includes(value)) values.set(name.toLowerCase().replaceAll('_', '-'), value)
  }
  const names = [...values.keys()]
  return {
    names,
    valueOf: (name) => values.get(name) as Value,
    nameOf: (value) => names.find((name) => values.get(name) === value) ?? (value === 0 ? '' : String(value)),
  }
}
