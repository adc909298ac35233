/**
 * Every metric of the service: docs/reference/metrics.md is generated from this table, and dashboard and alert rules may name no other. Labels
 * have closed lists of codes as values; no label ever names a clinic, person, patient, record or caller.
 */
import { reasonCodes } from '../access/reasons.ts'
import { backupOutcomes } from '../audit/backup/backup-schedule.ts'
import { haltCauses } from '../audit/log/log-store.ts'
import { sealerStates } from '../audit/log/sealer.ts'
import { faultKinds } from '../audit/log/verify/fault.ts'
import { submissionOutcomes } from '../audit/log/witness-rounds.ts'
import { settlements } from '../audit/settle-unknown.ts'
import { drillResults } from '../drill-schedule.ts'
import { admissionRefusals } from '../kernel/calls/admission.ts'
import type { ErrorReason } from '../kernel/errors.ts'
import { statusNames } from '../kernel/grpc/observe-call.ts'
import { refusalReasons } from '../kernel/refusal.ts'
import { methodRules } from '../kernel/scopes.ts'
import { fromCode, type LabelValues, type MetricRow, type MetricTable } from '../kernel/telemetry/metric-row.ts'
import { allProjections } from '../projections/all-projections.ts'
import type { WorkerState } from '../workers/worker-pool.ts'

type Labels = Readonly<Record<string, LabelValues>>

const counter = <const L extends Labels>(unit: string, meaning: string, labels: L) =>
  ({ kind: 'counter', unit, meaning, labels }) as const satisfies MetricRow

const gauge = <const L extends Labels>(unit: string, meaning: string, labels: L) =>
  ({ kind: 'gauge', unit, meaning, labels }) as const satisfies MetricRow

const histogram = <const L extends Labels>(unit: string, meaning: string, labels: L, buckets: readonly number[]) =>
  ({ kind: 'histogram', unit, meaning, labels, buckets }) as const satisfies MetricRow

const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const
const bytes = [1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576] as const

/** Of the error catalogue: what stops an append. */
const appendFailures = [
  'LEDGER_UNAVAILABLE',
  'LEDGER_REGRESSED',
  'OVERLOADED',
  'DEADLINE_EXCEEDED',
  'SHUTTING_DOWN',
  'INVALID_ARGUMENT',
  'INTERNAL',
] as const satisfies readonly ErrorReason[]

/** Of the error catalogue: what keeps a question from its decision. */
const checkFailures = [
  ...appendFailures,
  'CLINIC_NOT_ALLOWED',
  'REQUEST_MISMATCH',
  'ENTRY_TOO_LARGE',
] as const satisfies readonly ErrorReason[]

const decision = ['permit', 'deny']
const intent = ['access', 'probe']
const projection = allProjections.map(({ name }) => name)

export const doors = ['check', 'check_batch', 'check_stream'] as const
const appendOutcomes = ['stored', 'duplicate', 'mismatch', 'moved', 'stale', 'again', 'failed'] as const
export const logStates = [...sealerStates, 'elsewhere', 'off'] as const
export const witnessStates = ['answering', 'silent', 'not_asked'] as const
export const runnerStates = ['stopped', 'waiting', 'running', 'retrying', 'halted'] as const
const workerStates = ['serving', 'starting'] as const satisfies readonly WorkerState[]
const snapshotOutcomes = ['opened', 'refused', 'not_read', 'written', 'not_written'] as const

export const metricTable = {
  chartwarden_build_info: gauge('', 'Always 1; the release and the Node it runs on.', {
    version: fromCode,
    node: fromCode,
  }),
  chartwarden_ready: gauge('', '1 if the service can decide now (as /readyz answers), else 0.', {}),
  chartwarden_ledger_up: gauge('', '1 if the ledger answers within two seconds, else 0.', {}),
  chartwarden_ledger_clock_skew_seconds: gauge('s', "The ledger's clock minus this machine's.", {}),
  chartwarden_token_keys_loaded: gauge('', '1 once keys to verify tokens with are loaded, else 0.', {}),
  chartwarden_tls_certificate_expiry_timestamp_seconds: gauge(
    's',
    'When the TLS certificate in use expires, Unix time; absent without TLS.',
    {},
  ),

  chartwarden_checks_total: counter('{question}', 'Questions asked, by the call they came by and intent.', { door: doors, intent }),
  chartwarden_decisions_total: counter('{decision}', 'Decisions made and durable, by outcome and reason code.', {
    decision,
    reason_code: Object.keys(reasonCodes),
    intent,
  }),
  chartwarden_replayed_answers_total: counter('{answer}', 'Questions repeated under one request_id and answered from the ledger.', {
    decision,
  }),
  chartwarden_check_failures_total: counter('{question}', 'Questions that got an error instead of a decision: failed closed.', {
    reason: checkFailures,
  }),
  chartwarden_decide_again_total: counter('{decision}', 'Decisions the ledger sent back, because the state had moved or time had passed.', {
    cause: ['moved', 'stale'],
  }),

  chartwarden_appends_total: counter('{append}', "Appends by the ledger's outcome; failed: the statement failed.", {
    outcome: appendOutcomes,
  }),
  chartwarden_append_failures_total: counter('{append}', 'Appends that ended with an error, unsent ones included.', {
    reason: appendFailures,
  }),
  chartwarden_lost_answers_total: counter(
    '{append}',
    'Appends whose answer was lost with its connection, by what was found out: found (it was stored), appended (again), refused (to be decided again), unknown (given up).',
    { settlement: settlements },
  ),
  chartwarden_kurrentdb_conflicts_total: counter(
    '{append}',
    "Appends to a clinic's stream that another service's came before: read on, and appended again or decided again. None where the ledgers are in Postgres.",
    {},
  ),
  chartwarden_append_duration_seconds: histogram(
    's',
    'From handing an append to the ledger to its outcome: queue and commit.',
    { outcome: appendOutcomes },
    seconds,
  ),
  chartwarden_ledger_commit_duration_seconds: histogram('s', 'One statement of the ledger, from sending to its answer.', {}, seconds),
  chartwarden_batch_appends: histogram('{append}', 'Appends in one statement.', {}, sizes),
  chartwarden_batch_entries: histogram('{entry}', 'Entries in one statement.', {}, sizes),
  chartwarden_batch_bytes: histogram('By', 'Bytes of entries in one statement.', {}, bytes),
  chartwarden_queue_entries: gauge('{entry}', 'Entries waiting for the ledger now.', {}),
  chartwarden_queue_bytes: gauge('By', 'Bytes of entries waiting for the ledger now.', {}),
  chartwarden_queue_limit_entries: gauge('{entry}', 'Entries that may wait before calls are refused with OVERLOADED.', {}),

  chartwarden_under_way_items: gauge('{item}', 'Questions and records under way now.', {}),
  chartwarden_under_way_limit_items: gauge(
    '{item}',
    'Questions and records that may be under way now before more are refused; falls when they take longer than a second.',
    {},
  ),
  chartwarden_load_refusals_total: counter(
    '{item}',
    'Questions and records refused before work was done on them: no room, the share of the clinic in use, or a quota.',
    { cause: admissionRefusals },
  ),

  chartwarden_projection_lag_entries: gauge('{entry}', 'Entries of all ledgers not yet in a read model.', { projection }),
  chartwarden_projection_lag_seconds: gauge('s', 'For how long entries have been waiting for the read model; 0 when it is complete.', {
    projection,
  }),
  chartwarden_projection_applied_entries_total: counter('{entry}', 'Entries this process applied to a read model.', { projection }),
  chartwarden_projection_apply_duration_seconds: histogram('s', 'One batch applied to one read model.', { projection }, seconds),
  chartwarden_projection_parked_entries: gauge('{entry}', 'Entries a read model could not take, waiting for somebody to look.', {}),
  chartwarden_projection_runner_state: gauge('', "1 for the state this process's runner is in, 0 for the others.", { state: runnerStates }),

  chartwarden_log_sealer_state: gauge('', "1 for the state this process's sealer is in, 0 for the others.", { state: logStates }),
  chartwarden_log_behind_entries: gauge('{entry}', 'Entries of all ledgers that are not yet in the tree of their log.', {}),
  chartwarden_log_halted: gauge('{log}', 'Logs that nothing is signed for until an operator has looked, by cause.', { cause: haltCauses }),
  chartwarden_log_checkpoints_seen_outside: gauge(
    '',
    '1 once a checkpoint was handed to a caller or cosigned by a witness, else 0: then nobody could tell if all of it were changed.',
    {},
  ),
  chartwarden_log_integrated_entries_total: counter('{entry}', 'Entries this process integrated into logs.', {}),
  chartwarden_log_checkpoints_total: counter('{checkpoint}', 'Checkpoints this process signed and published.', {}),
  chartwarden_log_publish_duration_seconds: histogram('s', 'One round of signing and publishing checkpoints.', {}, seconds),
  chartwarden_log_publication_delay_seconds: histogram(
    's',
    'From recording an entry to the checkpoint that covers it, of the oldest entry under each checkpoint; by the clock of the database.',
    {},
    seconds,
  ),
  chartwarden_log_damage_total: counter(
    '{finding}',
    'Answers refused because what is stored of a log or ledger is not what was signed: somebody has to look.',
    {},
  ),

  chartwarden_witness_requests_total: counter('{checkpoint}', 'Checkpoints shown to a witness by what came out; see the runbooks.', {
    outcome: submissionOutcomes,
  }),
  chartwarden_witnesses: gauge('{witness}', 'Witnesses by how they stand with the process that asks them; absent in the others.', {
    state: witnessStates,
  }),
  chartwarden_witness_disputes: gauge(
    '{log}',
    'Logs of which a witness says that they went back or were changed, counted for each witness; absent in processes that do not ask them.',
    {},
  ),
  chartwarden_witness_quorum_wait_seconds: gauge(
    's',
    'For how long the log that has waited longest has waited for as many cosignatures as the policy asks; absent in processes that do not ask.',
    {},
  ),

  chartwarden_call_refusals_total: counter('{call}', 'Calls turned away for their token, clinic or scope.', { reason: refusalReasons }),
  chartwarden_grpc_request_duration_seconds: histogram(
    's',
    'gRPC calls by method and status; a stream lasts as long as it is open.',
    { method: Object.keys(methodRules), status: statusNames },
    seconds,
  ),
  chartwarden_http_request_duration_seconds: histogram(
    's',
    'HTTP requests by route and status.',
    { method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], route: fromCode, status: fromCode },
    seconds,
  ),

  chartwarden_ledger_checks_total: counter('{check}', 'Ledgers checked by why and by what came out; failed: the check could not be made.', {
    cause: ['schedule', 'asked'],
    result: ['intact', 'damaged', 'failed'],
  }),
  chartwarden_ledger_check_faults: gauge(
    '{fault}',
    'Faults that the last scheduled check of each ledger found; absent in processes that do not make them.',
    { kind: Object.keys(faultKinds) },
  ),
  chartwarden_ledger_check_age_seconds: gauge(
    's',
    'Since the last complete scheduled check of the ledger where that is longest ago; absent in processes that do not make them.',
    {},
  ),
  chartwarden_ledger_check_interval_seconds: gauge('s', 'How long after a scheduled check of a ledger the next one is due; 0: never.', {}),

  chartwarden_backups_total: counter('{backup}', 'Backups this process made by schedule, by what came out; see the runbook.', {
    outcome: backupOutcomes,
  }),
  chartwarden_backup_age_seconds: gauge(
    's',
    'Since the newest backup was begun; where there is none, since this process looks. Absent where none are made by schedule.',
    {},
  ),
  chartwarden_backup_interval_seconds: gauge('s', 'How long after a backup the next one is due; 0: none are made by schedule.', {}),
  chartwarden_backup_drills_total: counter(
    '{drill}',
    'Drills of this process, restoring the newest backup into a scratch database: by what came out; not_made: it could not be tried.',
    { outcome: drillResults },
  ),
  chartwarden_backup_drill_age_seconds: gauge(
    's',
    'Since a backup was last restored and verified in a drill; where none was lately, since this process looks. Absent where none are made by schedule.',
    {},
  ),
  chartwarden_backup_drill_interval_seconds: gauge(
    's',
    'How long after a drill the next one is due, after one that failed at most a day; 0: none are made by schedule.',
    {},
  ),
  chartwarden_backup_drill_duration_seconds: gauge('s', 'How long the last drill took; absent where none is known.', {}),
  chartwarden_backup_drill_failed: gauge(
    '',
    '1 while the last drill made by schedule found a backup that cannot be restored, else 0; absent where none is known.',
    {},
  ),

  chartwarden_expiry_faults_total: counter('{fault}', 'Attempts to record what has ended by itself that failed; tried again.', {}),
  chartwarden_snapshots_total: counter('{snapshot}', 'Snapshots of clinic states by what became of them.', { outcome: snapshotOutcomes }),
  chartwarden_telemetry_faults_total: counter(
    '{fault}',
    'Faults of sending traces and metrics, e.g. a collector that does not answer.',
    {},
  ),

  chartwarden_workers: gauge(
    '{process}',
    'Processes that answer calls, by whether they do; absent where one process does everything, and in those themselves.',
    { state: workerStates },
  ),
  chartwarden_worker_exits_total: counter('{process}', 'Processes that answer calls which ended by themselves and were replaced.', {}),

  process_cpu_seconds_total: counter('s', 'User and system CPU time of the process.', {}),
  process_resident_memory_bytes: gauge('By', 'Resident memory of the process.', {}),
  process_start_time_seconds: gauge('s', 'When the process started, Unix time.', {}),
  nodejs_heap_size_used_bytes: gauge('By', 'JavaScript heap in use.', {}),
  nodejs_heap_size_total_bytes: gauge('By', 'JavaScript heap reserved.', {}),
  nodejs_external_memory_bytes: gauge('By', 'Memory of buffers and other objects outside the JavaScript heap.', {}),
  nodejs_eventloop_delay_seconds: gauge('s', 'Delay of the event loop since the last scrape.', { measure: ['p50', 'p99', 'max'] }),
} as const satisfies MetricTable

export type ServiceMetrics = typeof metricTable
