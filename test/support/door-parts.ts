import type { Refusal } from '../../services/kernel/refusal.ts'
import { createTokenVerifier } from '../../services/kernel/tokens/verifier.ts'
import { logLines } from './log-lines.ts'
import { manualClock } from './manual-clock.ts'
import { manualTimers } from './manual-timers.ts'
import { keySetOf } from './signing-key.ts'
import { audience, issuer, tokenKeys, toleranceSeconds } from './token-cases.ts'

export const doorKeys = tokenKeys()

/** What a door of either kind needs, all of it in the test's hands: clock, timers, log, refusals and a verifier of `doorKeys`. */
export const doorParts = async () => {
  // Whole milliseconds: a deadline less the time it was reckoned from is then exactly the delay.
  const clock = manualClock(Date.now(), Math.floor(performance.now()))
  const timers = manualTimers()
  const log = logLines()
  const refusals: Refusal[] = []
  const verifier = await createTokenVerifier({
    jwks: keySetOf(doorKeys.rsa, doorKeys.ec, doorKeys.ed),
    issuer,
    audience,
    clockToleranceSeconds: toleranceSeconds,
    clock,
    logger: log.logger,
    timers,
  })
  return { clock, timers, log, refusals, verifier }
}
