/** What each part of the service tells, as metrics of the table. */
import type { AccessObserver } from '../access/observer.ts'
import type { SnapshotOutcome } from '../access/snapshots.ts'
import type { BackupOutcome } from '../audit/backup/backup-schedule.ts'
import type { BatchStats } from '../audit/batcher.ts'
import type { SealerObserver } from '../audit/log/tenure.ts'
import type { SubmissionOutcome } from '../audit/log/witness-submission.ts'
import type { LedgerObserver } from '../audit/observed-ledger.ts'
import type { Settlement } from '../audit/settle-unknown.ts'
import type { DrillResult } from '../drill-schedule.ts'
import type { AdmissionRefusal } from '../kernel/calls/admission.ts'
import type { CallObserver } from '../kernel/grpc/observe-call.ts'
import type { HttpObserver } from '../kernel/http/observe-request.ts'
import type { OnRefusal } from '../kernel/refusal.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { ProjectionObserver } from '../projections/observed-projection.ts'
import { doors, type ServiceMetrics } from './metric-table.ts'

export interface Observers {
  readonly access: AccessObserver
  readonly ledger: LedgerObserver
  readonly sealer: SealerObserver
  logDamage(): void
  witness(outcome: SubmissionOutcome['kind']): void
  readonly call: Pick<CallObserver, 'ended'>
  readonly http: Pick<HttpObserver, 'ended'>
  readonly projection: Pick<ProjectionObserver, 'applied'>
  batch(stats: BatchStats): void
  settled(settlement: Settlement): void
  kurrentConflict(): void
  refusal: OnRefusal
  loadRefused(cause: AdmissionRefusal, items: number): void
  snapshot(outcome: SnapshotOutcome): void
  backup(outcome: BackupOutcome): void
  drilled(outcome: DrillResult): void
  expiryFault(): void
  workerExited(): void
  ledgerChecked(cause: 'schedule' | 'asked', result: 'intact' | 'damaged' | 'failed'): void
}

const seconds = (milliseconds: number): number => milliseconds / 1_000

/** `chartwarden.access.v1.AccessService/CheckBatch` → `check_batch`. */
const doorOf = (method: string | undefined): string => {
  const name = method?.slice(method.lastIndexOf('/') + 1) ?? ''
  return doors.find((door) => door.replaceAll('_', '') === name.toLowerCase()) ?? ''
}

export const createObservers = (metrics: Metrics<ServiceMetrics>): Observers => ({
  access: {
    asked: ({ intent, method }) => metrics.count('chartwarden_checks_total', { door: doorOf(method), intent }),
    answered: ({ decision, reason_code, intent }, replayed) => {
      if (replayed) metrics.count('chartwarden_replayed_answers_total', { decision })
      else metrics.count('chartwarden_decisions_total', { decision, reason_code, intent })
    },
    failed: (reason) => metrics.count('chartwarden_check_failures_total', { reason }),
    decidedAgain: (cause) => metrics.count('chartwarden_decide_again_total', { cause }),
  },
  ledger: {
    appended: (outcome, durationMs) => metrics.record('chartwarden_append_duration_seconds', { outcome }, seconds(durationMs)),
    appendFailed: (reason) => metrics.count('chartwarden_append_failures_total', { reason }),
  },
  sealer: {
    integrated: (entries) => metrics.count('chartwarden_log_integrated_entries_total', {}, entries),
    published: (checkpoints, durationMs, waitedMs) => {
      metrics.count('chartwarden_log_checkpoints_total', {}, checkpoints)
      metrics.record('chartwarden_log_publish_duration_seconds', {}, seconds(durationMs))
      for (const waited of waitedMs) metrics.record('chartwarden_log_publication_delay_seconds', {}, seconds(waited))
    },
  },
  logDamage: () => metrics.count('chartwarden_log_damage_total', {}),
  witness: (outcome) => metrics.count('chartwarden_witness_requests_total', { outcome }),
  call: {
    ended: (method, status, durationMs) =>
      metrics.record('chartwarden_grpc_request_duration_seconds', { method, status }, seconds(durationMs)),
  },
  http: {
    ended: ({ method, route, status }, durationMs) =>
      metrics.record('chartwarden_http_request_duration_seconds', { method, route, status: String(status) }, seconds(durationMs)),
  },
  projection: {
    applied: (projection, entries, durationMs) => {
      metrics.count('chartwarden_projection_applied_entries_total', { projection }, entries)
      metrics.record('chartwarden_projection_apply_duration_seconds', { projection }, seconds(durationMs))
    },
  },
  batch: ({ appends, entries, bytes, durationMs, outcomes }) => {
    metrics.record('chartwarden_batch_appends', {}, appends)
    metrics.record('chartwarden_batch_entries', {}, entries)
    metrics.record('chartwarden_batch_bytes', {}, bytes)
    metrics.record('chartwarden_ledger_commit_duration_seconds', {}, seconds(durationMs))
    for (const [outcome, count] of Object.entries(outcomes)) {
      if (count > 0) metrics.count('chartwarden_appends_total', { outcome }, count)
    }
  },
  settled: (settlement) => metrics.count('chartwarden_lost_answers_total', { settlement }),
  kurrentConflict: () => metrics.count('chartwarden_kurrentdb_conflicts_total', {}),
  refusal: ({ reason }) => metrics.count('chartwarden_call_refusals_total', { reason }),
  loadRefused: (cause, items) => metrics.count('chartwarden_load_refusals_total', { cause }, items),
  snapshot: (outcome) => metrics.count('chartwarden_snapshots_total', { outcome }),
  workerExited: () => metrics.count('chartwarden_worker_exits_total', {}),
  backup: (outcome) => metrics.count('chartwarden_backups_total', { outcome }),
  drilled: (outcome) => metrics.count('chartwarden_backup_drills_total', { outcome }),
  expiryFault: () => metrics.count('chartwarden_expiry_faults_total', {}),
  ledgerChecked: (cause, result) => metrics.count('chartwarden_ledger_checks_total', { cause, result }),
})
