import type { Clock } from '../clock.ts'
import type { Logger } from '../logging.ts'

/** Between two lines, in milliseconds. */
const intervalMs = 60_000

/** Codes of the network that say what is wrong; nothing else of a fault is logged, since it may quote what a collector answered. */
const codes =
  /\b(?:ECONNREFUSED|ECONNRESET|ECONNABORTED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|DEPTH_ZERO_SELF_SIGNED_CERT)\b/

const codeIn = (texts: readonly unknown[]): string | undefined => {
  for (const text of texts) {
    const found = codes.exec(text instanceof Error ? `${text.message} ${(text as NodeJS.ErrnoException).code ?? ''}` : String(text))
    if (found !== null) return found[0]
  }
  return undefined
}

/** Tells the log of faults of telemetry: at most one line a minute, with how many there were since the last. */
export const createFaultLog = ({
  logger,
  clock,
}: {
  readonly logger: Logger
  readonly clock: Clock
}): ((texts: readonly unknown[]) => void) => {
  let faults = 0
  let saidAt = Number.NEGATIVE_INFINITY
  return (texts) => {
    faults += 1
    if (clock.monotonic() - saidAt < intervalMs) return
    saidAt = clock.monotonic()
    logger.warn(
      { event: 'telemetry.failed', faults, code: codeIn(texts) },
      'traces or metrics could not be sent; decisions do not depend on them',
    )
    faults = 0
  }
}
