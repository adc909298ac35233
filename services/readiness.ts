import type { Ledger } from './audit/ledger.ts'
import type { LedgerClock } from './audit/ledger-clock.ts'
import type { Readiness } from './kernel/http/readiness.ts'
import type { TlsWatch } from './kernel/tls-watch.ts'
import type { TokenVerifier } from './kernel/tokens/verifier.ts'
import type { Projections } from './projections/index.ts'

export interface ReadinessOptions {
  readonly ledger: Ledger
  readonly ledgerClock: LedgerClock
  readonly projections: Projections
  readonly verifier: TokenVerifier
  readonly isStopping: () => boolean
  /** Undefined: no TLS here. */
  readonly tls?: Pick<TlsWatch, 'state'> | undefined
}

/** Difference between the ledger's clock and this machine's that an operator should know of, in milliseconds. */
const worrisomeSkewMs = 5_000

/**
 * Whether the service can decide: the ledger answers, tokens can be verified and nobody has asked it to stop. Reports that lag and a skewed clock are told but do
 * not take the service out of use, since decisions are right without them.
 */
export const createReadiness =
  ({ ledger, ledgerClock, projections, verifier, isStopping, tls }: ReadinessOptions) =>
  async (): Promise<Readiness> => {
    const answers = await ledger.time().then(
      () => true,
      () => false,
    )

    const skew = ledgerClock.skew()
    const certificate = tls?.state()
    const checks = {
      ledger: answers ? 'answers' : 'does not answer',
      clockSkewMs: skew,
      clock: Math.abs(skew) > worrisomeSkewMs ? 'differs from the ledger: set the clocks' : 'agrees with the ledger',
      tokenKeys: verifier.keySetVersion() > 0 ? 'loaded' : 'not loaded yet',
      stopping: isStopping(),
      ...(certificate === undefined ? {} : { tlsCertificate: certificate.certificate, tlsCertificateDaysLeft: certificate.daysLeft }),
    }
    if (!answers) return { ready: false, checks }
    const { entries, parked, state } = await projections.lag()
    return {
      ready: !checks.stopping && verifier.keySetVersion() > 0,
      checks: { ...checks, reports: state, reportsBehindEntries: Number(entries), parkedEntries: Number(parked) },
    }
  }
