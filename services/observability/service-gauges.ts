import type { Batcher } from '../audit/batcher.ts'
import type { Ledger } from '../audit/ledger.ts'
import type { LedgerClock } from '../audit/ledger-clock.ts'
import type { Readiness } from '../kernel/http/readiness.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { TokenVerifier } from '../kernel/tokens/verifier.ts'
import type { Projections } from '../projections/index.ts'
import { runnerStates, type ServiceMetrics } from './metric-table.ts'

export interface WatchedParts {
  readonly readiness: () => Promise<Readiness>
  /** Asked for its time, which says whether it answers. */
  readonly ledger: Pick<Ledger, 'time'>
  readonly ledgerClock: LedgerClock
  readonly batcher: Pick<Batcher, 'queued'>
  readonly maxQueuedEntries: number
  readonly projections: Pick<Projections, 'lag' | 'runner'>
  readonly verifier: Pick<TokenVerifier, 'keySetVersion'>
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

const flag = (value: boolean): number => (value ? 1 : 0)

/** What is looked at only when somebody asks for the metrics. */
export const addServiceGauges = (metrics: Metrics<ServiceMetrics>, version: string, parts: WatchedParts): void => {
  const { readiness, ledger, ledgerClock, batcher, maxQueuedEntries, projections, verifier, certificateExpiry } = parts

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
      'chartwarden_projection_runner_state',
    ],
    (report) => {
      report('chartwarden_ledger_clock_skew_seconds', {}, ledgerClock.skew() / 1_000)
      report('chartwarden_token_keys_loaded', {}, flag(verifier.keySetVersion() > 0))
      const expiry = certificateExpiry()
      if (expiry !== undefined) report('chartwarden_tls_certificate_expiry_timestamp_seconds', {}, expiry / 1_000)
      const { entries, bytes } = batcher.queued()
      report('chartwarden_queue_entries', {}, entries)
      report('chartwarden_queue_bytes', {}, bytes)
      report('chartwarden_queue_limit_entries', {}, maxQueuedEntries)
      const state = projections.runner.state
      for (const known of runnerStates) report('chartwarden_projection_runner_state', { state: known }, flag(known === state))
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
}
