/** Where delays enter. */
export interface Timers {
  /** Runs once after the delay (at most 24 days) unless the returned function is called first. Never keeps the process alive. */
  after(milliseconds: number, run: () => void): () => void
}

/** Node runs a longer timer at once. */
const longest = 2 ** 31 - 1

export const systemTimers: Timers = {
  after: (milliseconds, run) => {
    const timer = setTimeout(run, Math.min(milliseconds, longest))
    timer.unref()
    return () => clearTimeout(timer)
  },
}
