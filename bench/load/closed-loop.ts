import { type Measured, measuredOf } from '../measure/statistics.ts'

export interface Timing {
  /** Calls that run at any time; each is followed by the next at once. */
  readonly inFlight: number
  readonly warmUpMs: number
  readonly measureMs: number
}

/** Counts what ends within the measured time, and how long it took. */
export interface Meter {
  /** Whether the measured time is over, so that nothing new is begun. */
  over(): boolean
  /** A call that began then (by `performance.now`) has answered so many items. */
  ended(started: number, items: number): void
  measured(): Measured
}

export const createMeter = ({ warmUpMs, measureMs }: Timing): Meter => {
  const begin = performance.now() + warmUpMs
  const end = begin + measureMs
  const latencies: number[] = []
  let answered = 0
  return {
    over: () => performance.now() >= end,
    ended: (started, items) => {
      const now = performance.now()
      if (now < begin || now >= end) return
      latencies.push(now - started)
      answered += items
    },
    measured: () => {
      if (latencies.length === 0) throw new Error(`nothing was answered within ${measureMs} ms: measure for longer`)
      return measuredOf(answered, measureMs / 1_000, latencies)
    },
  }
}

/** Runs calls until the time is over and waits for all of them. `call` resolves with how many items it was. */
export const runClosedLoop = async (timing: Timing, call: () => Promise<number>): Promise<Measured> => {
  const meter = createMeter(timing)
  const loop = async (): Promise<void> => {
    while (!meter.over()) {
      const started = performance.now()
      meter.ended(started, await call())
    }
  }
  await Promise.all(Array.from({ length: timing.inFlight }, loop))
  return meter.measured()
}
