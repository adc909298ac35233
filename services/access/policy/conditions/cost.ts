/**
 * Static worst-case cost, as Kubernetes estimates it for CEL: what a value can at most hold follows from where it comes from, and what an
 * operation costs from what its operands can hold. One unit is about ten nanoseconds; what is written in the condition is small and known.
 */
import { conditionLimits } from './limits.ts'

/** What a value holds at most. */
export interface Size {
  /** Of a list or map. */
  readonly elements: number
  /** Characters and elements, all depths together. */
  readonly weight: number
  /** Each element; absent where nothing can be iterated. */
  readonly item?: Size
}

/** Of an expression. */
export interface Estimate {
  readonly cost: number
  readonly size: Size
}

export const scalar: Size = { elements: 0, weight: 1 }

/**
 * Of what is in something stated. What elements weigh together is bounded, and no cost grows faster than with their weight, so that a loop
 * over all of them costs no more than if they weighed the same.
 */
const statedPart: Size = {
  elements: conditionLimits.attributeElements,
  weight: conditionLimits.attributeWeight / conditionLimits.attributeElements,
  get item() {
    return statedPart
  },
}

/** Of anything that a request or the directory states. */
export const stated: Size = {
  elements: conditionLimits.attributeElements,
  weight: conditionLimits.attributeWeight,
  item: statedPart,
}

const roleName: Size = { elements: 0, weight: 64 }

export const roles: Size = { elements: conditionLimits.roles, weight: conditionLimits.roles * roleName.weight, item: roleName }

/** Making an attribute usable, once in each evaluation. */
export const attributeCost = Math.ceil(conditionLimits.attributeWeight / 4)

const operation = 10

/** Copying and searching. */
const perCharacter = (weight: number): number => Math.ceil(weight / 8)

/** Whichever of two values is there. */
const larger = (left: Size, right: Size): Size => {
  if (left === right) return left
  const item = left.item === undefined || right.item === undefined ? (left.item ?? right.item) : larger(left.item, right.item)
  return {
    elements: Math.max(left.elements, right.elements),
    weight: Math.max(left.weight, right.weight),
    ...(item === undefined ? {} : { item }),
  }
}

const together = (left: Size, right: Size): Size => ({
  ...larger(left, right),
  elements: left.elements + right.elements,
  weight: left.weight + right.weight,
})

export const leaf = (size: Size): Estimate => ({ cost: 2, size })

export const selection = (base: Estimate): Estimate => ({
  cost: base.cost + 5,
  size: base.size.elements > 0 ? base.size : (base.size.item ?? scalar),
})

/** Until the first difference; elements are compared one by one, and texts much faster. */
const comparison = (left: Size, right: Size): number => Math.ceil(Math.min(left.weight, right.weight) / 2)

const membership = (value: Size, list: Size): number =>
  list.elements * (value.elements > 0 ? operation : 1) + Math.ceil(Math.min(list.weight, Math.max(1, list.elements) * value.weight) / 2)

export const binary = (operator: string, left: Estimate, right: Estimate): Estimate => {
  const cost = left.cost + right.cost + operation
  switch (operator) {
    case 'in':
      return { cost: cost + membership(left.size, right.size), size: scalar }
    case '+': {
      const size = together(left.size, right.size)
      return { cost: cost + size.elements + perCharacter(size.weight), size }
    }
    case '&&':
    case '||':
      return { cost, size: scalar }
    default:
      return { cost: cost + comparison(left.size, right.size), size: scalar }
  }
}

export const choice = (condition: Estimate, left: Estimate, right: Estimate): Estimate => ({
  cost: condition.cost + Math.max(left.cost, right.cost) + operation,
  size: larger(left.size, right.size),
})

export const listOf = (elements: readonly Estimate[]): Estimate => {
  const [first = scalar, ...rest] = elements.map(({ size }) => size)
  return {
    cost: elements.reduce((sum, { cost }) => sum + cost, operation),
    size: {
      elements: elements.length,
      weight: elements.reduce((sum, { size }) => sum + size.weight + 1, 1),
      item: rest.reduce(larger, first),
    },
  }
}

export const call = (kind: 'constant' | 'traversal' | 'clock', operands: readonly Estimate[]): Estimate => {
  const cost = operands.reduce((sum, operand) => sum + operand.cost, 2 * operation)
  if (kind === 'constant') return { cost, size: operands[0]?.size ?? scalar }
  if (kind === 'clock') return { cost: cost + (operands.length > 1 ? 500 : 0), size: scalar }
  return { cost: cost + operands.reduce((sum, { size }) => sum + size.weight, 0), size: scalar }
}

/** A loop over every element of `range`, each time evaluating `step`, which may keep an element of `kept`. */
export const loop = (name: string, range: Estimate, step: Estimate, kept: Size): Estimate => {
  const { elements } = range.size
  const cost = range.cost + operation + elements * (step.cost + 2 * operation)
  if (name === 'filter') return { cost, size: range.size }
  if (name === 'map') return { cost, size: { elements, weight: elements * (kept.weight + 1), item: kept } }
  return { cost, size: scalar }
}
