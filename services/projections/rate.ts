/** Entries a second over the last seconds. */
export interface Rate {
  count(entries: number): void
  perSecond(): number
}

const windowMs = 5_000

/** `now` in milliseconds of a monotonic clock. */
export const createRate = (now: () => number): Rate => {
  let counts: { readonly at: number; readonly entries: number }[] = []
  const begun = now()
  return {
    count: (entries) => {
      const at = now()
      counts = [...counts.filter((one) => at - one.at < windowMs), { at, entries }]
    },
    perSecond: () => {
      const at = now()
      const entries = counts.filter((one) => at - one.at < windowMs).reduce((sum, one) => sum + one.entries, 0)
      const seconds = Math.min(windowMs, at - begun) / 1_000
      return seconds > 0 ? entries / seconds : 0
    },
  }
}
