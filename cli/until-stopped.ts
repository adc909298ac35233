const signals = ['SIGINT', 'SIGTERM'] as const

/** Runs work that lasts until somebody ends it: a first SIGINT or SIGTERM aborts the signal, a second ends the process as ever. */
export const untilStopped = async <Result>(work: (stop: AbortSignal) => Promise<Result>): Promise<Result> => {
  const stop = new AbortController()
  const end = (): void => stop.abort()
  for (const signal of signals) process.once(signal, end)
  try {
    return await work(stop.signal)
  } finally {
    for (const signal of signals) process.off(signal, end)
  }
}
