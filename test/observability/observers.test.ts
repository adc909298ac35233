import t from 'tap'
import { systemClock } from '../../services/kernel/clock.ts'
import { createLogger } from '../../services/kernel/logging.ts'
import { startTelemetry } from '../../services/kernel/telemetry/telemetry.ts'
import { metricTable } from '../../services/observability/metric-table.ts'
import { createObservers } from '../../services/observability/observers.ts'

const observed = async () => {
  const { metrics, text } = await startTelemetry({
    table: metricTable,
    otlp: { traces: false, metrics: false },
    scraped: true,
    version: '0',
    logger: createLogger({ level: 'silent' }),
    clock: systemClock,
  })
  if (metrics === undefined || text === undefined) throw new Error('there are no metrics')
  return { observers: createObservers(metrics), lines: async () => new Set((await text()).split('\n')) }
}

t.test('what the parts tell is in the metrics', async (t) => {
  const { observers, lines } = await observed()
  const { access, ledger, call, http, projection } = observers
  access.asked({ intent: 'access', method: 'chartwarden.access.v1.AccessService/CheckBatch' })
  access.asked({ intent: 'probe', method: undefined })
  access.answered({ decision: 'permit', reason_code: 'role_permits', intent: 'access' }, false)
  access.answered({ decision: 'deny', reason_code: 'no_grant', intent: 'probe' }, true)
  access.failed('LEDGER_UNAVAILABLE')
  access.failed('PAGE_OUTDATED')
  access.decidedAgain('moved')
  access.decidedAgain('stale')
  ledger.appended('stored', 30)
  ledger.appendFailed('OVERLOADED')
  call.ended('chartwarden.access.v1.AccessService/Check', 'OK', 3)
  call.ended('/of/the/attacker', 'OK', 3)
  http.ended({ method: 'POST', route: '/v1/clinics/:clinic/access/check', status: 200 }, 3)
  http.ended({ method: 'ZEBULON', route: 'none', status: 404 }, 3)
  projection.applied('access_history', 7, 20)
  observers.batch({
    appends: 3,
    entries: 4,
    bytes: 2_000,
    clinics: 2,
    durationMs: 5,
    outcomes: { stored: 2, duplicate: 0, mismatch: 0, moved: 1, stale: 0, again: 0, failed: 0 },
    queuedEntries: 0,
    queuedBytes: 0,
  })
  observers.refusal({ reason: 'TOKEN_EXPIRED', caller: 'zebulon', clinic: 'north', address: '10.0.0.1' })
  observers.settled('found')
  observers.kurrentConflict()
  observers.snapshot('written')
  observers.expiryFault()
  observers.witness('ahead')
  observers.witness('ahead')
  const found = await lines()
  for (const line of [
    'chartwarden_checks_total{door="check_batch",intent="access"} 1',
    'chartwarden_checks_total{door="other",intent="probe"} 1',
    'chartwarden_decisions_total{decision="permit",reason_code="role_permits",intent="access"} 1',
    'chartwarden_replayed_answers_total{decision="deny"} 1',
    'chartwarden_check_failures_total{reason="LEDGER_UNAVAILABLE"} 1',
    'chartwarden_check_failures_total{reason="other"} 1',
    'chartwarden_decide_again_total{cause="moved"} 1',
    'chartwarden_decide_again_total{cause="stale"} 1',
    'chartwarden_append_duration_seconds_bucket{outcome="stored",le="0.025"} 0',
    'chartwarden_append_duration_seconds_bucket{outcome="stored",le="0.05"} 1',
    'chartwarden_append_failures_total{reason="OVERLOADED"} 1',
    'chartwarden_grpc_request_duration_seconds_count{method="chartwarden.access.v1.AccessService/Check",status="OK"} 1',
    'chartwarden_grpc_request_duration_seconds_count{method="other",status="OK"} 1',
    'chartwarden_http_request_duration_seconds_count{method="POST",route="/v1/clinics/:clinic/access/check",status="200"} 1',
    'chartwarden_http_request_duration_seconds_count{method="other",route="none",status="404"} 1',
    'chartwarden_projection_applied_entries_total{projection="access_history"} 7',
    'chartwarden_witness_requests_total{outcome="ahead"} 2',
    'chartwarden_projection_apply_duration_seconds_count{projection="access_history"} 1',
    'chartwarden_batch_appends_sum 3',
    'chartwarden_batch_entries_sum 4',
    'chartwarden_batch_bytes_sum 2000',
    'chartwarden_ledger_commit_duration_seconds_sum 0.005',
    'chartwarden_appends_total{outcome="stored"} 2',
    'chartwarden_appends_total{outcome="moved"} 1',
    'chartwarden_call_refusals_total{reason="TOKEN_EXPIRED"} 1',
    'chartwarden_lost_answers_total{settlement="found"} 1',
    'chartwarden_kurrentdb_conflicts_total 1',
    'chartwarden_snapshots_total{outcome="written"} 1',
    'chartwarden_expiry_faults_total 1',
  ]) {
    t.ok(found.has(line), line)
  }
  t.notMatch([...found].join('\n'), /zebulon|attacker|north|10\.0\.0\.1/i)
})
