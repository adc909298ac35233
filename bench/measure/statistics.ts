/** The middle of several rounds, and how far they lay apart. */
export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

/** One cell of one round. Latencies are of whole calls, whatever they carry. */
export interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Nearest rank: the least value that at least this share of all does not exceed. Throws RangeError for no values. */
export const percentile = (sorted: readonly number[], share: number): number => {
  const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))]
  if (value === undefined) throw new RangeError('a percentile of nothing')
  return value
}

/** Of an even number of values the mean of the middle two. Throws RangeError for no values. */
export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((left, right) => left - right)
  const [lowest, highest] = [sorted[0], sorted.at(-1)]
  if (lowest === undefined || highest === undefined) throw new RangeError('a spread of nothing')
  const upper = sorted[sorted.length >> 1] as number
  const median = sorted.length % 2 === 1 ? upper : ((sorted[(sorted.length >> 1) - 1] as number) + upper) / 2
  return { median, lowest, highest }
}

/** `items` were answered in the time by calls that took these latencies, in any order. */
export const measuredOf = (items: number, seconds: number, latenciesMs: readonly number[]): Measured => {
  const sorted = latenciesMs.toSorted((left, right) => left - right)
  return { perSecond: items / seconds, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) }
}
