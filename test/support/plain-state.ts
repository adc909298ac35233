import type { ClinicState } from '../../services/access/state.ts'

/** What is worked out from the rest, and what is kept to spare working it out. */
const derived = new Set(['coverage', 'effective', 'vocabulary', 'attributes'])

const plain = (value: unknown): unknown => {
  if (value instanceof Map) return [...value].map(plain)
  if (value instanceof Set) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? 'a function' : value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}

/** A state that can be compared: everything in it in its order, without what is only derived from it. */
export const plainState = ({ roles, ...rest }: ClinicState): unknown =>
  plain({ ...rest, roles: Object.fromEntries(Object.entries(roles).filter(([name]) => !derived.has(name))) })
