import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock } from '../kernel/clock.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { ServiceMetrics } from './metric-table.ts'

/** How often the event loop is looked at, in milliseconds; also what a delay is measured beyond. */
const resolutionMs = 20

const nanosecondsPerSecond = 1e9

const delayBeyond = (nanoseconds: number): number => Math.max(0, nanoseconds / nanosecondsPerSecond - resolutionMs / 1_000)

/** What an operator asks of any process. The returned function stops the measuring. */
export const addProcessGauges = (metrics: Metrics<ServiceMetrics>, clock: Clock): (() => void) => {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  const startedAt = clock.wall() / 1_000 - process.uptime()
  metrics.read(
    [
      'process_resident_memory_bytes',
      'process_start_time_seconds',
      'nodejs_heap_size_used_bytes',
      'nodejs_heap_size_total_bytes',
      'nodejs_external_memory_bytes',
      'nodejs_eventloop_delay_seconds',
    ],
    (report) => {
      const { user, system } = process.cpuUsage()
      metrics.total('process_cpu_seconds_total', {}, (user + system) / 1e6)
      const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
      report('process_resident_memory_bytes', {}, rss)
      report('process_start_time_seconds', {}, startedAt)
      report('nodejs_heap_size_used_bytes', {}, heapUsed)
      report('nodejs_heap_size_total_bytes', {}, heapTotal)
      report('nodejs_external_memory_bytes', {}, external)
      if (delay.count === 0) return
      report('nodejs_eventloop_delay_seconds', { measure: 'p50' }, delayBeyond(delay.percentile(50)))
      report('nodejs_eventloop_delay_seconds', { measure: 'p99' }, delayBeyond(delay.percentile(99)))
      report('nodejs_eventloop_delay_seconds', { measure: 'max' }, delayBeyond(delay.max))
      delay.reset()
    },
  )
  return () => void delay.disable()
}
