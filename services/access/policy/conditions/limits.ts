/**
 * What conditions may be and cost. Everything is bounded before it runs: the source by its length and shape, the values it reads by
 * their size, and so the work by an estimate that no request can exceed.
 */
export const conditionLimits = {
  sourceCharacters: 2_000,
  /** Of the syntax tree. */
  nodes: 500,
  /** Parentheses, calls, selections and indexes within one another. */
  depth: 50,
  /** Of a list written in the condition. */
  listElements: 256,
  attributes: 32,
  /** Durations, moments and time zones written in the condition, each. */
  constants: 16,
  /** Additions and subtractions: so many of the greatest durations still lead to a moment that a date can hold. */
  additions: 16,
  /** Loops (`all`, `exists`, `exists_one`, `map`, `filter`) within one another. */
  nestedLoops: 3,
  /** Units of the estimate, about ten nanoseconds each. */
  cost: 500_000,
  /** Of all conditions that one decision evaluates, in the same units. */
  decisionCost: 1_000_000,
  /** Lists and objects within one another, of one attribute. Also keeps the kinds of value that the library remembers few. */
  attributeDepth: 4,
  /** Of each list and object of an attribute. */
  attributeElements: 64,
  /** Characters of one attribute, each value counting as two more; properties have at most 8 KiB as JSON. */
  attributeWeight: 8_192,
} as const
