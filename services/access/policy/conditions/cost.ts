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
  /** Of what is evaluated, errors that are forgiven within it included, without the one that may leave it. */
  readonly cost: number
  readonly size: Size
  /** It may err. */
  readonly errs: boolean
  /** Unless it errs, it is true or false. */
  readonly truth: boolean
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

const operation = 10

/** Making and forgiving one error of the library; a thousand times the work of whatever erred, and loops may forgive one for each element. */
const forgiven = 500

/** Saying in words what went wrong with a condition, the error included. */
const explained = 1_500

/** Around every evaluation, and for each variable of it. What is in the variables is made ready once in a decision, whatever is read of it. */
const started = 50
const variable = 10

/** Whether an operand of a logical operator, or a step of a loop, may have to be forgiven. */
const mayNeedForgiving = ({ errs, truth }: Estimate): boolean => errs || !truth

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

/** A value that is always there. */
export const leaf = (size: Size): Estimate => ({ cost: 2, size, errs: false, truth: false })

/** Something that is true or false, and always there. */
export const sure: Estimate = { ...leaf(scalar), truth: true }

/** An attribute: it may not be stated. */
export const statedValue: Estimate = { ...leaf(stated), errs: true }

/** A whole condition that reads so many variables. */
export const whole = ({ cost, errs, truth }: Estimate, variables: number): number =>
  cost + started + variables * variable + (errs || !truth ? explained : 0)

export const selection = (base: Estimate): Estimate => ({
  cost: base.cost + 5,
  size: base.size.elements > 0 ? base.size : (base.size.item ?? scalar),
  errs: true,
  truth: false,
})

/** Until the first difference; elements are compared one by one, and texts much faster. */
const comparison = (left: Size, right: Size): number => Math.ceil(Math.min(left.weight, right.weight) / 2)

const membership = (value: Size, list: Size): number =>
  list.elements * (value.elements > 0 ? operation : 1) + Math.ceil(Math.min(list.weight, Math.max(1, list.elements) * value.weight) / 2)

/** `mayErr`: whether the operation itself may; its operands may besides. */
export const binary = (operator: string, left: Estimate, right: Estimate, mayErr: boolean): Estimate => {
  const cost = left.cost + right.cost + operation
  const errs = mayErr || left.errs || right.errs
  switch (operator) {
    case 'in':
      return { cost: cost + membership(left.size, right.size), size: scalar, errs, truth: true }
    case '+': {
      const size = together(left.size, right.size)
      return { cost: cost + size.elements + perCharacter(size.weight), size, errs, truth: false }
    }
    case '&&':
    case '||': {
      const toForgive = [left, right].filter(mayNeedForgiving).length
      return { cost: cost + toForgive * forgiven, size: scalar, errs: toForgive > 0, truth: true }
    }
    case '-':
    case '*':
    case '/':
    case '%':
      return { cost, size: scalar, errs, truth: false }
    default:
      return { cost: cost + comparison(left.size, right.size), size: scalar, errs, truth: true }
  }
}

export const negation = (operator: '!' | '-', operand: Estimate): Estimate => ({
  cost: operand.cost + operation,
  size: scalar,
  errs: operator === '-' || mayNeedForgiving(operand),
  truth: operator === '!',
})

export const choice = (condition: Estimate, left: Estimate, right: Estimate): Estimate => ({
  cost: condition.cost + Math.max(left.cost, right.cost) + operation,
  size: larger(left.size, right.size),
  errs: mayNeedForgiving(condition) || left.errs || right.errs,
  truth: left.truth && right.truth,
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
    errs: elements.some(({ errs }) => errs),
    truth: false,
  }
}

/** `truth`: whether the function gives true or false. */
export const call = (kind: 'constant' | 'traversal' | 'clock', operands: readonly Estimate[], truth: boolean): Estimate => {
  const cost = operands.reduce((sum, operand) => sum + operand.cost, 2 * operation)
  if (kind === 'constant') return { cost, size: operands[0]?.size ?? scalar, errs: true, truth }
  if (kind === 'clock') return { cost: cost + (operands.length > 1 ? 500 : 0), size: scalar, errs: true, truth }
  return { cost: cost + operands.reduce((sum, { size }) => sum + size.weight, 0), size: scalar, errs: true, truth }
}

/**
 * A loop over every element of `range`, each time evaluating `step`, which may keep an element of `kept`. `all` and `exists` go on after an
 * error, the others end with it.
 */
export const loop = (name: string, range: Estimate, step: Estimate, kept: Size): Estimate => {
  const { elements } = range.size
  const goesOn = name === 'all' || name === 'exists'
  const each = step.cost + 2 * operation + (goesOn && mayNeedForgiving(step) ? forgiven : 0)
  const cost = range.cost + operation + elements * each
  if (name === 'filter') return { cost, size: range.size, errs: true, truth: false }
  if (name === 'map') return { cost, size: { elements, weight: elements * (kept.weight + 1), item: kept }, errs: true, truth: false }
  return { cost, size: scalar, errs: true, truth: true }
}
