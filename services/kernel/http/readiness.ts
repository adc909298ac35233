import { toChartwardenError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import type { Timers } from '../timers.ts'

/** Whether the service can do its work, part by part. Shown to anyone who asks, so without identifiers, addresses and names of hosts. */
export interface Readiness {
  readonly ready: boolean
  /** A few words, a figure or a truth for each part. */
  readonly checks: Readonly<Record<string, string | number | boolean>>
}

/** Longest wait for the checks, in milliseconds; below what orchestrators give a probe. */
const timeoutMs = 2_000

/** Asks once, bounded in time: what takes too long or fails is not ready. */
export const askReadiness = (ask: () => Promise<Readiness>, timers: Timers, logger: Logger): Promise<Readiness> =>
  new Promise((resolve) => {
    const stopTimer = timers.after(timeoutMs, () => resolve({ ready: false, checks: { readiness: 'no answer in time' } }))
    const asked = async (): Promise<Readiness> => await ask()
    asked().then(
      (readiness) => {
        stopTimer()
        resolve(readiness)
      },
      (err: unknown) => {
        stopTimer()
        logger.error({ event: 'readiness.failed', err }, 'readiness could not be found out')
        resolve({ ready: false, checks: { readiness: toChartwardenError(err).reason } })
      },
    )
  })
