import type { Ledger } from './audit/ledger.ts'
import type { LedgerClock } from './audit/ledger-clock.ts'
import type { Log } from './audit/log/index.ts'
import type { LogStatus } from './audit/log/log-status.ts'
import type { WitnessRounds, WitnessStanding } from './audit/log/witness-rounds.ts'
import type { Readiness } from './kernel/http/readiness.ts'
import type { TlsWatch } from './kernel/tls-watch.ts'
import type { TokenVerifier } from './kernel/tokens/verifier.ts'
import type { Projections } from './projections/index.ts'

export interface ReadinessOptions {
  readonly ledger: Ledger
  readonly log: Pick<Log, 'state' | 'status'>
  /** Whether the signer store lies where what restores the database restores it too; undefined: there is none. */
  readonly signerInsideState?: boolean | undefined
  /** Undefined: no policy names any. */
  readonly witnesses?: Pick<WitnessRounds, 'standing'> | undefined
  readonly ledgerClock: LedgerClock
  readonly projections: Projections
  readonly verifier: TokenVerifier
  readonly isStopping: () => boolean
  /** Undefined: no TLS here. */
  readonly tls?: Pick<TlsWatch, 'state'> | undefined
}

/** Difference between the ledger's clock and this machine's that an operator should know of, in milliseconds. */
const worrisomeSkewMs = 5_000

const seenOutside = {
  never: 'never: nobody outside this installation could tell if all of it were changed; keep a checkpoint elsewhere or configure a witness',
  handed_out: 'handed out',
  witnessed: 'witnessed',
} as const satisfies Record<LogStatus['seenOutside'], string>

/** How the witnesses stand. What one of them disputes comes first: somebody has to look. */
const witnessCheck = (standing: WitnessStanding | undefined): string => {
  if (standing === undefined) return 'off: CHARTWARDEN_WITNESS_POLICY names no file'
  if (!standing.active) return 'standby: another process asks them'
  const disputing = standing.witnesses.filter(({ disputes }) => disputes > 0).map(({ name }) => name)
  if (disputing.length > 0) return `disputed by ${disputing.join(', ')}: a ledger went back or was changed, or they are wrong; see the log`
  const answering = standing.witnesses.filter((witness) => witness.answering !== false).length
  const refusing = standing.witnesses.filter(({ refused }) => refused > 0).map(({ name, refused }) => `${name} refuses ${refused}`)
  return [`${answering} of ${standing.witnesses.length} answer`, ...refusing].join('; ')
}

const logWords = (state: Log['state']): string => {
  if (state === 'off') return 'off: nothing is signed, since CHARTWARDEN_SIGNER_DIR names no directory'
  if (state === 'elsewhere') return 'elsewhere: another process signs, which has the signer store'
  return state
}

const insideState =
  'in the state directory: whoever restores both cannot be told from nothing having happened; name another place with CHARTWARDEN_SIGNER_DIR'

/** How the logs stand. Decisions do not wait for them, so that nothing of it takes the service out of use. */
const logChecks = (state: Log['state'], { behindEntries, halted, seenOutside: seen }: LogStatus) => {
  const halts = [...halted.values()].reduce((sum, logs) => sum + logs, 0)
  return {
    log: halts > 0 ? `halted: ${halts}` : logWords(state),
    logBehindEntries: Number(behindEntries),
    checkpointsSeenOutside: seenOutside[seen],
  }
}

/**
 * Whether the service can decide: the ledger answers, tokens can be verified and nobody has asked it to stop. Reports that lag and a skewed clock are told but do
 * not take the service out of use, since decisions are right without them.
 */
export const createReadiness =
  ({ ledger, log, signerInsideState, witnesses, ledgerClock, projections, verifier, isStopping, tls }: ReadinessOptions) =>
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
    const [{ entries, parked, state }, logs] = await Promise.all([projections.lag(), log.status()])
    return {
      ready: !checks.stopping && verifier.keySetVersion() > 0,
      checks: {
        ...checks,
        reports: state,
        reportsBehindEntries: Number(entries),
        parkedEntries: Number(parked),
        ...logChecks(log.state, logs),
        ...(signerInsideState === undefined ? {} : { signerStore: signerInsideState ? insideState : 'apart' }),
        witnesses: witnessCheck(witnesses?.standing()),
      },
    }
  }
