import type { BackupSchedule, BackupState } from './audit/backup/backup-schedule.ts'
import type { Ledger } from './audit/ledger.ts'
import type { LedgerClock } from './audit/ledger-clock.ts'
import type { Log } from './audit/log/index.ts'
import type { LogStatus } from './audit/log/log-status.ts'
import type { WitnessRounds, WitnessStanding } from './audit/log/witness-rounds.ts'
import type { DrillSchedule, DrillState } from './drill-schedule.ts'
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
  /** Undefined: nothing is answered here. */
  readonly verifier?: TokenVerifier
  readonly isStopping?: () => boolean
  /** Undefined: no TLS here. */
  readonly tls?: Pick<TlsWatch, 'state'> | undefined
  /** Undefined: none are made by schedule, or by another process. */
  readonly backup?: Pick<BackupSchedule, 'state'> | undefined
  /** Between two backups. */
  readonly backupHours?: number
  /** Undefined: none are made by schedule, or by another process. */
  readonly drill?: Pick<DrillSchedule, 'state'> | undefined
  /** Between two drills. */
  readonly drillHours?: number
  /** Whether this process also does what nobody waits for, and tells how that stands. Defaults to true. */
  readonly background?: boolean
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

/** How the backups stand. Nothing that is asked waits for one. */
const backupCheck = (state: BackupState | undefined, hours: number): string => {
  if (state === undefined) return 'off: none are made by schedule; see CHARTWARDEN_BACKUP_TARGET and CHARTWARDEN_BACKUP_HOURS'
  const age = `${(state.ageSeconds / 3_600).toFixed(1)} hours old`
  if (state.failing) return `failing: see the log; the newest is ${age}`
  return state.ageSeconds > 2 * hours * 3_600 ? `late: the newest is ${age}` : 'in time'
}

/** Whether it is known that a backup can be restored. */
const drillCheck = (state: DrillState | undefined, hours: number): string => {
  if (state === undefined) return 'off: none are made by schedule; see CHARTWARDEN_DRILL_HOURS'
  if (state.last?.result === 'failed') return `failed: the newest backup cannot be restored (${state.last.fault}); see the log`
  const age = `${(state.ageSeconds / 3_600).toFixed(1)} hours ago`
  return state.ageSeconds > 2 * hours * 3_600 ? `late: the last backup that was restored and verified was so ${age}` : 'in time'
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
export const createReadiness = (options: ReadinessOptions) => {
  const { ledger, log, signerInsideState, witnesses, ledgerClock, projections, verifier, tls } = options
  const { isStopping = () => false, background = true, backup, backupHours = 0, drill, drillHours = 0 } = options

  const backgroundChecks = async (): Promise<Readiness['checks']> => {
    const [{ entries, parked, state }, logs] = await Promise.all([projections.lag(), log.status()])
    return {
      reports: state,
      reportsBehindEntries: Number(entries),
      parkedEntries: Number(parked),
      ...logChecks(log.state, logs),
      ...(signerInsideState === undefined ? {} : { signerStore: signerInsideState ? insideState : 'apart' }),
      witnesses: witnessCheck(witnesses?.standing()),
      backup: backupCheck(backup?.state(), backupHours),
      drill: drillCheck(drill?.state(), drillHours),
    }
  }

  return async (): Promise<Readiness> => {
    const answers = await ledger.time().then(
      () => true,
      () => false,
    )
    const skew = ledgerClock.skew()
    const certificate = tls?.state()
    const hasKeys = verifier === undefined || verifier.keySetVersion() > 0
    const checks = {
      ledger: answers ? 'answers' : 'does not answer',
      clockSkewMs: skew,
      clock: Math.abs(skew) > worrisomeSkewMs ? 'differs from the ledger: set the clocks' : 'agrees with the ledger',
      ...(verifier === undefined ? {} : { tokenKeys: hasKeys ? 'loaded' : 'not loaded yet' }),
      stopping: isStopping(),
      ...(certificate === undefined ? {} : { tlsCertificate: certificate.certificate, tlsCertificateDaysLeft: certificate.daysLeft }),
    }
    if (!answers) return { ready: false, checks }
    return { ready: !checks.stopping && hasKeys, checks: { ...checks, ...(background ? await backgroundChecks() : {}) } }
  }
}
