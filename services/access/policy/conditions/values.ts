/** What a condition reads of the facts, in the form the library takes. */
import type { ConditionFacts } from '../condition.ts'
import type { FixedVariable } from './environment.ts'
import { conditionLimits } from './limits.ts'

/** Where attributes are. */
export type AttributeRoot = 'subject' | 'resource' | 'action' | 'context'

export interface Attribute {
  readonly root: AttributeRoot
  readonly key: string
}

/** As it is named to people and kept with decisions. What follows the prefix is the key as it stands; it holds no dot. */
export const attributePath = ({ root, key }: Attribute): string => (root === 'context' ? `context.${key}` : `${root}.properties.${key}`)

const ownValue = (facts: ConditionFacts, { root, key }: Attribute): unknown => {
  const values: Readonly<Record<string, unknown>> = root === 'context' ? facts.context : facts[root].properties
  return Object.hasOwn(values, key) ? values[key] : undefined
}

export const isPresent = (facts: ConditionFacts, attribute: Attribute): boolean => ownValue(facts, attribute) !== undefined

interface Budget {
  weight: number
}

/** Objects become maps, so that no name of a member can reach a prototype. */
const usable = (value: unknown, budget: Budget, depth: number): unknown => {
  budget.weight -= 2
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value === 'string') {
    budget.weight -= value.length
    return budget.weight < 0 ? undefined : value
  }
  if (typeof value !== 'object' || depth === 0 || budget.weight < 0) return undefined
  if (Array.isArray(value)) {
    if (value.length > conditionLimits.attributeElements) return undefined
    const list: unknown[] = []
    for (const element of value) {
      const made = usable(element, budget, depth - 1)
      if (made === undefined) return undefined
      list.push(made)
    }
    return budget.weight < 0 ? undefined : list
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return undefined
  const map = new Map<string, unknown>()
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue
    budget.weight -= name.length
    const made = usable(member, budget, depth - 1)
    if (made === undefined || map.size === conditionLimits.attributeElements) return undefined
    map.set(name, made)
  }
  return budget.weight < 0 ? undefined : map
}

const whole = (): Budget => ({ weight: conditionLimits.attributeWeight })

/** The value of an attribute; undefined if it is absent, or too large or too deep to be used. */
export const attributeValue = (facts: ConditionFacts, attribute: Attribute): unknown => {
  const value = ownValue(facts, attribute)
  if (value === undefined || typeof value === 'boolean') return value
  if (typeof value !== 'object' || value === null) return usable(value, whole(), conditionLimits.attributeDepth)
  const { ready } = facts
  if (ready?.values?.has(value) === true) return ready.values.get(value)
  const made = usable(value, whole(), conditionLimits.attributeDepth)
  if (ready !== undefined) {
    ready.values ??= new Map()
    ready.values.set(value, made)
  }
  return made
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const truth = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined)

export const fixedValues: Readonly<Record<FixedVariable, (facts: ConditionFacts) => unknown>> = {
  subject_type: ({ subject }) => text(subject.type),
  resource_type: ({ resource }) => text(resource.type),
  resource_has_patient: ({ resource }) => truth(resource.has_patient),
  resource_own_record: ({ resource }) => truth(resource.own_record),
  action_name: ({ action }) => text(action.name),
  context_time: ({ context }) => context.time,
  context_caller: ({ context }) => text(context.caller),
  context_purpose: ({ context }) => text(context.purpose),
}
