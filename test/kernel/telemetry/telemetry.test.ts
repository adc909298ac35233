/** Traces and metrics through the real SDK, to a real receiver and a real reader of `/metrics`. */

import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { context, metrics as globalMetrics, trace } from '@opentelemetry/api'
import t, { type Test } from 'tap'
import { systemClock } from '../../../services/kernel/clock.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { createLogger } from '../../../services/kernel/logging.ts'
import { createFaultLog } from '../../../services/kernel/telemetry/fault-log.ts'
import { fromCode, type MetricTable } from '../../../services/kernel/telemetry/metric-row.ts'
import { startTelemetry } from '../../../services/kernel/telemetry/telemetry.ts'
import { traced } from '../../../services/kernel/telemetry/tracer.ts'
import { logLines } from '../../support/log-lines.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { manualTimers } from '../../support/manual-timers.ts'
import { attributeOf, startOtlpReceiver } from '../../support/otlp-receiver.ts'

const table = {
  jobs_total: { kind: 'counter', unit: '{job}', meaning: 'Jobs.', labels: { outcome: ['good', 'bad'] } },
  kinds_total: { kind: 'counter', unit: '{job}', meaning: 'Jobs by kind.', labels: { kind: fromCode, outcome: ['good', 'bad'] } },
  wait_seconds: { kind: 'histogram', unit: 's', meaning: 'Waits.', labels: {}, buckets: [0.1, 1] },
  depth: { kind: 'gauge', unit: '{job}', meaning: 'Depth.', labels: {} },
  height: { kind: 'gauge', unit: 'm', meaning: 'Height.', labels: { side: ['left', 'right'] } },
} as const satisfies MetricTable

const logger = createLogger({ level: 'silent' })
const common = { table, version: '9.9.9', logger, clock: systemClock }
const off = { traces: false, metrics: false }

t.test('what is off is not there', async (t) => {
  const telemetry = await startTelemetry({ ...common, otlp: off, scraped: false })
  t.equal(telemetry.tracer, undefined)
  t.equal(telemetry.metrics, undefined)
  t.equal(telemetry.text, undefined)
  await telemetry.stop()
  t.equal(
    traced(undefined, 'work', (span) => span ?? 'no span'),
    'no span',
    'the work runs all the same',
  )
})

t.test('counters, histograms and gauges are in the text of Prometheus', async (t) => {
  const { metrics, text } = await startTelemetry({ ...common, otlp: off, scraped: true })
  t.match(await text?.(), /^jobs_total\{outcome="good"\} 0$/m, 'a counter with known values stands at 0 from the start')
  metrics?.count('jobs_total', { outcome: 'good' })
  metrics?.count('jobs_total', { outcome: 'good' }, 2)
  metrics?.record('wait_seconds', {}, 0.5)
  metrics?.read(['depth'], (report) => report('depth', {}, 7))
  const answer = await text?.()
  for (const line of [
    '# HELP jobs_total Jobs.',
    '# TYPE jobs_total counter',
    'jobs_total{outcome="good"} 3',
    'jobs_total{outcome="bad"} 0',
    'wait_seconds_count 1',
    'wait_seconds_bucket{le="0.1"} 0',
    'wait_seconds_bucket{le="1"} 1',
    'depth 7',
    'target_info{service_name="chartwarden",service_version="9.9.9"} 1',
  ]) {
    t.ok(answer?.split('\n').includes(line), line)
  }
})

t.test('a label has only the values of its list, or a bounded number of them', async (t) => {
  const { metrics, text } = await startTelemetry({ ...common, otlp: off, scraped: true })
  metrics?.count('jobs_total', { outcome: 'Zebulon Quartermain' })
  for (let kind = 0; kind < 1_000; kind += 1) metrics?.count('kinds_total', { kind: `kind-${kind}`, outcome: 'good' })
  const answer = (await text?.()) ?? ''
  t.notMatch(answer, /Zebulon/)
  t.match(answer, /^jobs_total\{outcome="other"\} 1$/m)
  t.match(answer, /^kinds_total\{kind="kind-7",outcome="good"\} 1$/m, 'twin: a value within bounds is told')
  t.match(answer, /^kinds_total\{kind="other",outcome="good"\} 800$/m)
  t.ok(answer.split('\n').filter((line) => line.startsWith('kinds_total{')).length <= 201)
})

t.test('a reading that fails or hangs takes nothing else away, and its old value is not shown again', async (t) => {
  const { metrics, text } = await startTelemetry({
    ...common,
    otlp: off,
    scraped: true,
    timers: {
      after: (_milliseconds, run) => {
        const immediate = setImmediate(run)
        return () => clearImmediate(immediate)
      },
    },
  })
  let works = true
  metrics?.read(['depth'], (report) => {
    if (!works) throw new Error('the database is gone')
    report('depth', {}, 7)
  })
  metrics?.read(['height'], async (report) => {
    report('height', { side: 'left' }, 1)
    await new Promise(() => undefined)
  })
  t.match(await text?.(), /^depth 7$/m)
  works = false
  const answer = (await text?.()) ?? ''
  t.notMatch(answer, /^depth /m)
  t.match(answer, /^height\{side="left"\} 1$/m, 'what was reported before it hung is shown')
  t.match(answer, /^jobs_total/m)
})

t.test('those who ask at the same time share one collection', async (t) => {
  const { metrics, text } = await startTelemetry({ ...common, otlp: off, scraped: true })
  let readings = 0
  metrics?.read(['depth'], () => {
    readings += 1
  })
  await Promise.all(Array.from({ length: 20 }, () => text?.()))
  t.equal(readings, 1)
  await text?.()
  t.equal(readings, 2, 'twin: somebody who asks later gets a collection of their own')
})

t.test('spans are children of the caller and of each other, and of an error only its reason is told', async (t) => {
  const receiver = await startOtlpReceiver(t)
  Object.assign(process.env, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })
  const { tracer, metrics, stop } = await startTelemetry({ ...common, otlp: { traces: true, metrics: true }, scraped: false })
  t.teardown(() => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT
    delete process.env.OTEL_EXPORTER_OTLP_PROTOCOL
  })
  metrics?.count('jobs_total', { outcome: 'bad' })
  const caller = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }
  const outside = tracer?.start('outside', { server: true, parent: `00-${caller.traceId}-${caller.spanId}-01` })
  if (tracer === undefined || outside === undefined) throw new Error('there is no tracer')
  await tracer.within(outside, async () => {
    t.equal(tracer.current(), outside)
    await new Promise((resolve) => setImmediate(resolve))
    await t.rejects(
      traced(tracer, 'inside', async (span) => {
        span?.set({ 'chartwarden.attempt': 2 })
        span?.link(outside)
        throw new ChartwardenError('OVERLOADED', { message: 'because of Zebulon', cause: new Error('select secret') })
      }),
    )
    t.throws(() =>
      traced(tracer, 'sudden', () => {
        throw new Error('of patient 7')
      }),
    )
  })
  t.equal(tracer.current(), undefined)
  outside.end()
  t.equal(
    traced(tracer, 'unsampled', (span) => span?.sampled, { parent: `00-${caller.traceId}-${caller.spanId}-00` }),
    false,
  )
  t.equal(trace.getTracer('anything').startSpan('x').isRecording(), false, 'no library can trace behind our back')
  t.notOk('forceFlush' in globalMetrics.getMeterProvider())
  t.equal(
    context.with(context.active().setValue(Symbol.for('any'), 1), () => context.active().getValue(Symbol.for('any'))),
    undefined,
  )
  await stop()

  const spans = new Map(receiver.spans().map((span) => [span.name, span]))
  t.strictSame([...spans.keys()].sort(), ['inside', 'outside', 'sudden'], 'what the caller did not sample is not sent')
  const [sent, inside] = [spans.get('outside'), spans.get('inside')]
  t.match(sent, { traceId: caller.traceId, parentSpanId: caller.spanId, kind: 2 })
  t.match(inside, { traceId: caller.traceId, parentSpanId: outside.spanId, kind: 1, status: { code: 2 } })
  t.match(inside?.links, [{ spanId: outside.spanId }])
  t.equal(inside && attributeOf(inside, 'error.type'), 'OVERLOADED')
  t.equal(inside && attributeOf(inside, 'chartwarden.attempt'), 2)
  const everything = JSON.stringify(receiver.bodies)
  t.notMatch(everything, /Zebulon|secret|patient 7/)
  t.match(everything, /jobs_total/, 'metrics are sent too')
  t.notMatch(everything, /process\.command|host\.name|process\.owner/, 'the machine is not described')
})

/** A collector that answers each request so; undefined: never. */
const strangeCollector = async (t: Test, answer: string | undefined): Promise<void> => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).on('data', () => answer !== undefined && socket.end(answer))
    t.teardown(() => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.teardown(() => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT
  })
}

t.test('what a collector answers is counted as a fault and not repeated in the log', async (t) => {
  await strangeCollector(t, 'HTTP/1.1 400 Bad\r\ncontent-length: 8\r\n\r\nZebulon!')
  const { logger, of } = logLines()
  const clock = manualClock()
  let faults = 0
  const onFault = (): void => {
    faults += 1
  }
  const { tracer, stop } = await startTelemetry({
    ...common,
    logger,
    clock,
    otlp: { traces: true, metrics: false },
    scraped: false,
    onFault,
  })
  tracer?.start('work').end()
  await stop()
  t.ok(faults > 0)
  t.equal(of('telemetry.failed').length, 1)
  t.notMatch(JSON.stringify(of('telemetry.failed')), /Zebulon/)
})

t.test('faults are logged at most once a minute, with their number', async (t) => {
  const { logger, of } = logLines()
  const clock = manualClock()
  const say = createFaultLog({ logger, clock })
  for (let count = 0; count < 50; count += 1) say([new Error('connect ECONNREFUSED 10.1.2.3:4318, and Zebulon')])
  t.match(of('telemetry.failed'), [{ faults: 1, code: 'ECONNREFUSED' }])
  t.notMatch(JSON.stringify(of('telemetry.failed')), /Zebulon|10\.1\.2\.3/)
  clock.advance(60_000)
  say(['anything'])
  t.match(of('telemetry.failed')[1], { faults: 50 }, 'twin: a minute later it is said again')
})

t.test('a silent collector holds a stop up for two seconds and no longer', async (t) => {
  await strangeCollector(t, undefined)
  const timers = manualTimers()
  const { tracer, stop } = await startTelemetry({ ...common, timers, otlp: { traces: true, metrics: false }, scraped: false })
  tracer?.start('work').end()
  let stopped = false
  const stopping = stop().then(() => {
    stopped = true
  })
  t.strictSame(timers.pending(), [2_000])
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(stopped, false, 'twin: it is waited for meanwhile')
  timers.runAll()
  await stopping
  t.equal(stopped, true)
})

t.test('two services in one process do not mix', async (t) => {
  const [one, other] = await Promise.all([
    startTelemetry({ ...common, otlp: off, scraped: true }),
    startTelemetry({ ...common, otlp: off, scraped: true }),
  ])
  one?.metrics?.count('jobs_total', { outcome: 'good' })
  t.match(await one?.text?.(), /jobs_total\{outcome="good"\} 1/)
  t.match(await other?.text?.(), /jobs_total\{outcome="good"\} 0/)
})
