/** The spans of a call, as a collector gets them, and what its entry keeps of the caller's trace. */
import t from 'tap'
import { danaAsks, startClinicProcess } from '../support/clinic-process.ts'
import { attributeOf, type OtlpSpan, startOtlpReceiver } from '../support/otlp-receiver.ts'
import { waitFor } from '../support/wait-for.ts'

const traceOf = (call: number) => ({ traceId: `4bf92f3577b34da6a3ce929d0e0e473${call}`, parentSpanId: `00f067aa0ba902b${call}` })
const headerOf = (call: number, flags = '01') => `00-${traceOf(call).traceId}-${traceOf(call).parentSpanId}-${flags}`

const method = 'chartwarden.access.v1.AccessService/Check'

t.test('a call is one trace from the caller to the commit, over gRPC and over HTTP', async (t) => {
  const receiver = await startOtlpReceiver(t)
  const { service, clients, token } = await startClinicProcess(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_METRICS_EXPORTER: 'none',
  })
  const overHttp = async (call: number) => {
    const answer = await fetch(`${service.httpAddress}/v1/clinics/north/access/check`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', traceparent: headerOf(call) },
      body: JSON.stringify(danaAsks()),
    })
    t.equal(answer.status, 200)
    return ((await answer.json()) as { readonly entry: { readonly id: string } }).entry.id
  }
  const overGrpc = async (call: number, flags?: string) => {
    const answer = await clients.access.check({ ...danaAsks(), clinic: 'north' }, { headers: { traceparent: headerOf(call, flags) } })
    return answer.entry?.id ?? ''
  }
  const ids = [await overGrpc(1), await overHttp(2), await overGrpc(3, '00')]
  await clients.access
    .check({ ...danaAsks(), clinic: 'north', action: { name: '' } }, { headers: { traceparent: headerOf(4) } })
    .catch(() => undefined)

  const kept = new Map<string, unknown>()
  let last = 0n
  await waitFor('the entries', async () => {
    for await (const { item } of clients.audit.readEntries({ clinic: 'north' })) {
      if (item.case !== 'entry') continue
      const envelope = JSON.parse(Buffer.from(item.value.canonical).toString('utf8')) as {
        readonly id: string
        readonly traceparent?: string
      }
      last = item.value.revision
      kept.set(envelope.id, envelope.traceparent)
    }
    return ids.every((id) => kept.has(id))
  })
  t.strictSame(
    ids.map((id) => kept.get(id)),
    [headerOf(1), headerOf(2), headerOf(3, '00')],
    "an entry keeps the caller's own context, whatever is sampled",
  )
  await clients.reports.accessHistory({ clinic: 'north', filter: { patientId: 'patient-1' }, waitForRevision: last })
  t.equal(await service.stop(), 0)

  const spans = receiver.spans()
  const inTrace = (call: number): readonly OtlpSpan[] => spans.filter(({ traceId }) => traceId === traceOf(call).traceId)
  for (const [call, server] of [
    [1, method],
    [2, 'POST /v1/clinics/:clinic/access/check'],
  ] as const) {
    const one = (name: string): OtlpSpan => {
      const found = inTrace(call).find((span) => span.name === name)
      if (found === undefined) throw new Error(`no ${name} among ${inTrace(call).map((span) => span.name)}`)
      return found
    }
    t.match(one(server), { kind: 2, parentSpanId: traceOf(call).parentSpanId })
    t.equal(one('decide').parentSpanId, one(server).spanId)
    t.equal(attributeOf(one('decide'), 'chartwarden.decision'), 'permit')
    t.equal(attributeOf(one('decide'), 'chartwarden.reason_code'), 'role_permits')
    const appends = inTrace(call).filter(({ name }) => name === 'append')
    t.ok(appends.every(({ parentSpanId }) => parentSpanId === one(server).spanId))
    t.ok(appends.some(({ spanId }) => spanId === one('ledger.commit').parentSpanId))
  }
  t.strictSame(inTrace(3), [], 'twin: what the caller does not sample is not traced')
  const refused = inTrace(4)
  t.strictSame(
    refused.map(({ name }) => name),
    [method],
  )
  t.equal(refused[0] && attributeOf(refused[0], 'rpc.response.status_code'), 'INVALID_ARGUMENT')
  t.notOk(refused[0]?.status.code, "a caller's mistake is no fault of the service")
  const applied = spans.filter(({ name }) => name === 'projection.apply')
  t.ok(applied.some((span) => attributeOf(span, 'chartwarden.projection') === 'access_history'))
})
