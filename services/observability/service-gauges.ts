import type { BackupSchedule } from '../audit/backup/backup-schedule.ts'
import type { Batcher } from '../audit/batcher.ts'
import type { Ledger } from '../audit/ledger.ts'
import type { LedgerClock } from '../audit/ledger-clock.ts'
import type { Log } from '../audit/log/index.ts'
import { haltCauses } from '../audit/log/log-store.ts'
import { type FaultKind, faultKinds } from '../audit/log/verify/fault.ts'
import type { WitnessRounds } from '../audit/log/witness-rounds.ts'
import type { DrillSchedule } from '../drill-schedule.ts'
import type { Admission } from '../kernel/calls/admission.ts'
import type { Readiness } from '../kernel/http/readiness.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { TokenVerifier } from '../kernel/tokens/verifier.ts'
import type { Projections } from '../projections/index.ts'
import type { SelfCheck } from '../self-check.ts'
import type { WorkerState } from '../workers/worker-pool.ts'
import { logStates, runnerStates, type ServiceMetrics, witnessStates } from './metric-table.ts'

/** What nobody waits for, in the process that does it. */
export interface BackgroundParts {
  readonly log: Pick<Log, 'state' | 'status'>
  /** Undefined: no policy names any. */
  readonly witnesses: Pick<WitnessRounds, 'standing'> | undefined
  readonly projections: Pick<Projections, 'lag' | 'runner'>
  /** Undefined where ledgers are not checked by schedule. */
  readonly selfCheck: Pick<SelfCheck, 'state'> | undefined
  readonly selfCheckHours: number
  /** Undefined where no backups are made by schedule. */
  readonly backup: Pick<BackupSchedule, 'state'> | undefined
  readonly backupHours: number
  /** Undefined where no drills are made by schedule. */
  readonly drill: Pick<DrillSchedule, 'state'> | undefined
  readonly drillHours: number
}

export interface WatchedParts {
  readonly readiness: () => Promise<Readiness>
  /** Asked for its time, which says whether it answers. */
  readonly ledger: Pick<Ledger, 'time'>
  readonly ledgerClock: LedgerClock
  readonly batcher: Pick<Batcher, 'queued'>
  readonly maxQueuedEntries: number
  /** Undefined where nothing is answered. */
  readonly admission: Pick<Admission, 'underWay' | 'limit'> | undefined
  /** Undefined where no calls are answered. */
  readonly verifier: Pick<TokenVerifier, 'keySetVersion'> | undefined
  /** Undefined where another process does what nobody waits for. */
  readonly background: BackgroundParts | undefined
  /** How the processes that answer stand, where this one has started them. */
  readonly workerStates?: (() => Readonly<Record<WorkerState, number>> | undefined) | undefined
  /** When the certificate in use expires, milliseconds since the epoch; undefined without TLS. */
  readonly certificateExpiry: () => number | undefined
}

const answerTimeoutMs = 1_500

/** Whether the work succeeds in time. What comes later is not waited for. */
const succeeds = (work: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    work.then(
      () => true,
      () => false,
    ),
    new Promise<boolean>((resolve) => setTimeout(resolve, answerTimeoutMs, false).unref()),
  ])

const witnessState = (answering: boolean | undefined): (typeof witnessStates)[number] =>
  answering === undefined ? 'not_asked' : answering ? 'answering' : 'silent'

const flag = (value: boolean): number => (value ? 1 : 0)

/** The same of what nobody waits for. */
const addBackgroundGauges = (metrics: Metrics<ServiceMetrics>, parts: BackgroundParts): void => {
  const { log, witnesses, projections, selfCheck, selfCheckHours, backup, backupHours, drill, drillHours } = parts

  metrics.read(['chartwarden_projection_runner_state'], (report) => {
    const state = projections.runner.state
    for (const known of runnerStates) report('chartwarden_projection_runner_state', { state: known }, flag(known === state))
  })
  metrics.read(
    ['chartwarden_ledger_check_faults', 'chartwarden_ledger_check_age_seconds', 'chartwarden_ledger_check_interval_seconds'],
    (report) => {
      report('chartwarden_ledger_check_interval_seconds', {}, selfCheckHours * 3_600)
      const { ageSeconds, faults } = selfCheck?.state() ?? {}
      if (ageSeconds === undefined || faults === undefined) return
      report('chartwarden_ledger_check_age_seconds', {}, ageSeconds)
      for (const kind of Object.keys(faultKinds)) report('chartwarden_ledger_check_faults', { kind }, faults.get(kind as FaultKind) ?? 0)
    },
  )
  metrics.read(['chartwarden_backup_age_seconds', 'chartwarden_backup_interval_seconds'], (report) => {
    report('chartwarden_backup_interval_seconds', {}, backup === undefined ? 0 : backupHours * 3_600)
    if (backup !== undefined) report('chartwarden_backup_age_seconds', {}, backup.state().ageSeconds)
  })
  metrics.read(
    [
      'chartwarden_backup_drill_age_seconds',
      'chartwarden_backup_drill_interval_seconds',
      'chartwarden_backup_drill_duration_seconds',
      'chartwarden_backup_drill_failed',
    ],
    (report) => {
      report('chartwarden_backup_drill_interval_seconds', {}, drillHours * 3_600)
      if (drill === undefined) return
      const { ageSeconds, last } = drill.state()
      report('chartwarden_backup_drill_age_seconds', {}, ageSeconds)
      if (last === undefined) return
      report('chartwarden_backup_drill_duration_seconds', {}, last.duration_ms / 1_000)
      report('chartwarden_backup_drill_failed', {}, flag(last.result === 'failed'))
    },
  )
  metrics.read(
    ['chartwarden_projection_lag_entries', 'chartwarden_projection_lag_seconds', 'chartwarden_projection_parked_entries'],
    async (report) => {
      const lag = await projections.lag()
      report('chartwarden_projection_parked_entries', {}, Number(lag.parked))
      for (const { name: projection, state, entries, seconds } of lag.projections) {
        if (state === 'absent') continue
        report('chartwarden_projection_lag_entries', { projection }, Number(entries))
        report('chartwarden_projection_lag_seconds', { projection }, seconds)
      }
    },
  )
  metrics.read(
    [
      'chartwarden_log_sealer_state',
      'chartwarden_log_behind_entries',
      'chartwarden_log_halted',
      'chartwarden_log_checkpoints_seen_outside',
    ],
    async (report) => {
      for (const state of logStates) report('chartwarden_log_sealer_state', { state }, flag(state === log.state))
      const { behindEntries, halted, seenOutside } = await log.status()
      report('chartwarden_log_behind_entries', {}, Number(behindEntries))
      for (const cause of haltCauses) report('chartwarden_log_halted', { cause }, halted.get(cause) ?? 0)
      report('chartwarden_log_checkpoints_seen_outside', {}, flag(seenOutside !== 'never'))
    },
  )
  metrics.read(['chartwarden_witnesses', 'chartwarden_witness_disputes', 'chartwarden_witness_quorum_wait_seconds'], (report) => {
    const standing = witnesses?.standing()
    if (standing?.active !== true) return
    for (const state of witnessStates) {
      const inState = standing.witnesses.filter(({ answering }) => witnessState(answering) === state)
      report('chartwarden_witnesses', { state }, inState.length)
    }
    const disputes = standing.witnesses.reduce((sum, witness) => sum + witness.disputes, 0)
    report('chartwarden_witness_disputes', {}, disputes)
    report('chartwarden_witness_quorum_wait_seconds', {}, standing.quorumWaitSeconds)
  })
}

/** What is looked at only when somebody asks for the metrics. */
export const addServiceGauges = (metrics: Metrics<ServiceMetrics>, version: string, parts: WatchedParts): void => {
  const { readiness, ledger, ledgerClock, batcher, maxQueuedEntries, admission, verifier, background, workerStates, certificateExpiry } =
    parts

  metrics.read(['chartwarden_build_info'], (report) => report('chartwarden_build_info', { version, node: process.versions.node }, 1))
  metrics.read(['chartwarden_ready'], async (report) => {
    let ready = false
    const asked = readiness().then((answer) => {
      ready = answer.ready
    })
    report('chartwarden_ready', {}, flag((await succeeds(asked)) && ready))
  })
  metrics.read(['chartwarden_ledger_up'], async (report) => report('chartwarden_ledger_up', {}, flag(await succeeds(ledger.time()))))
  metrics.read(
    [
      'chartwarden_ledger_clock_skew_seconds',
      'chartwarden_token_keys_loaded',
      'chartwarden_tls_certificate_expiry_timestamp_seconds',
      'chartwarden_queue_entries',
      'chartwarden_queue_bytes',
      'chartwarden_queue_limit_entries',
      'chartwarden_under_way_items',
      'chartwarden_under_way_limit_items',
    ],
    (report) => {
      report('chartwarden_ledger_clock_skew_seconds', {}, ledgerClock.skew() / 1_000)
      if (verifier !== undefined) report('chartwarden_token_keys_loaded', {}, flag(verifier.keySetVersion() > 0))
      const expiry = certificateExpiry()
      if (expiry !== undefined) report('chartwarden_tls_certificate_expiry_timestamp_seconds', {}, expiry / 1_000)
      const { entries, bytes } = batcher.queued()
      report('chartwarden_queue_entries', {}, entries)
      report('chartwarden_queue_bytes', {}, bytes)
      report('chartwarden_queue_limit_entries', {}, maxQueuedEntries)
      if (admission !== undefined) {
        report('chartwarden_under_way_items', {}, admission.underWay)
        report('chartwarden_under_way_limit_items', {}, admission.limit)
      }
    },
  )
  metrics.read(['chartwarden_workers'], (report) => {
    for (const [state, count] of Object.entries(workerStates?.() ?? {})) report('chartwarden_workers', { state }, count)
  })
  if (background !== undefined) addBackgroundGauges(metrics, background)
}
