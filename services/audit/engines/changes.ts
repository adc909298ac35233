/**
 * Wakes readers that have caught up. A reader takes `mark()` before it looks for entries and hands it to `after`: what is announced between
 * the two is never missed.
 */
export interface Changes {
  mark(): number
  announce(): void
  /** Resolves once something was announced after the mark, `pollMs` have passed (Infinity: never), or the signal aborts. */
  after(mark: number, pollMs: number, signal: AbortSignal): Promise<void>
}

export const createChanges = (): Changes => {
  let announced = 0
  const waiting = new Set<() => void>()
  return {
    mark: () => announced,
    announce() {
      announced += 1
      for (const wake of [...waiting]) wake()
    },
    after(mark, pollMs, signal) {
      if (announced > mark || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const timer = pollMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => wake(), pollMs)
        const wake = () => {
          clearTimeout(timer)
          waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        waiting.add(wake)
        signal.addEventListener('abort', wake)
      })
    },
  }
}
