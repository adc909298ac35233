/**
 * Quotas of callers and clinics over the whole service. A batch larger than a quota passes once and is owed for minutes, so that nothing
 * here depends on how fast the machine is.
 */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { ChartwardenError } from '../../services/kernel/errors.ts'
import { type MethodName, methodRules, type Scope } from '../../services/kernel/scopes.ts'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { methodCalls, nothingStanding, registerCalledClinic } from '../support/method-calls.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService, type TestService } from '../support/service.ts'

const clinic = 'north'
/** Owed for five minutes at one a second. */
const owed = 300

/** A registered clinic and somebody in it; the quotas are as the environment says. */
const setUp = async (t: Test, environment: Readonly<Record<string, string>>, register = registerTestClinic) => {
  const service = await startTestService(t, {
    database: await createTestDatabase(t),
    environment: { CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0', ...environment },
  })
  const as = async (subject: string, clinics = [clinic, 'south']) => clientsOf(service, await service.token({ clinics, subject }))
  const greedy = await as('greedy')
  await register(greedy, clinic)
  return { service, as, greedy }
}

const askALot = async (t: Test, { access }: ReturnType<typeof clientsOf>): Promise<void> => {
  const { results } = await access.checkBatch({ clinic, checks: Array.from({ length: owed }, () => readRecord(clinic, 'anna')) })
  t.ok(results.every(({ outcome }) => outcome.case === 'response'))
}

const headOf = async (service: TestService): Promise<bigint> => {
  const { access } = clientsOf(service, await service.token({ clinics: [clinic], subject: randomUUID() }))
  return (await access.check(readRecord(clinic, 'anna'))).entry?.revision ?? -1n
}

/** The reason of the refusal, or "done". */
const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'done',
    (error: ChartwardenError) => error.reason,
  )

t.test('a caller over its quota is told so and when to come again; nothing of it is recorded; others are answered', async (t) => {
  const { service, as, greedy } = await setUp(t, { CHARTWARDEN_CALLER_QUOTA: '1' })
  await hire(greedy, clinic, 'anna')
  await askALot(t, greedy)
  const before = await headOf(service)
  const refused = await greedy.access.check(readRecord(clinic, 'anna')).catch((error: ChartwardenError) => error)
  t.match(refused, { reason: 'QUOTA_EXCEEDED', metadata: { quota: 'caller' } })
  const { retryAfterSeconds = 0 } = refused as ChartwardenError
  t.ok(retryAfterSeconds > owed / 2 && retryAfterSeconds <= owed + 1, `${retryAfterSeconds} seconds`)
  const stream = (async function* () {
    for (const seq of [1n, 2n]) yield { seq, check: readRecord(clinic, 'anna') }
  })()
  for await (const { result } of greedy.access.checkStream(stream)) {
    t.match(result?.outcome, { case: 'error', value: { reason: 'QUOTA_EXCEEDED', code: 8 } })
    const waits = result?.outcome.case === 'error' ? result.outcome.value.retryAfter : undefined
    t.ok(Number(waits?.seconds) > owed / 2, 'each message says when, too')
  }
  const http = await fetch(`http://127.0.0.1:${service.httpPort}/v1/clinics/${clinic}/access/check`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await service.token({ clinics: [clinic], subject: 'greedy' })}`,
      'content-type': 'application/json',
    },
    body: '{}',
  })
  t.equal(http.status, 429, 'another token and another door, and the same caller')
  t.ok(Number(http.headers.get('retry-after')) > owed / 2)
  const modest = await as('modest')
  t.ok((await modest.access.check(readRecord(clinic, 'anna'))).entry)
  t.equal(await headOf(service), before + 2n, 'the two answers given since, and nothing else')
  const text = await (await fetch(`http://127.0.0.1:${service.metricsPort}/metrics`)).text()
  t.match(text, /^chartwarden_load_refusals_total\{[^}]*cause="caller_quota"[^}]*\} 4/m)
  t.match(text, /^chartwarden_under_way_items(\{[^}]*\})? 0/m)
  t.match(text, /^chartwarden_under_way_limit_items(\{[^}]*\})? [1-9]/m)
})

t.test('sabotage: without a quota the same caller is answered', async (t) => {
  const { greedy } = await setUp(t, {})
  await hire(greedy, clinic, 'anna')
  await askALot(t, greedy)
  t.equal(await outcome(greedy.access.check(readRecord(clinic, 'anna'))), 'done')
})

t.test('a clinic over its quota is refused whoever asks, and its neighbour is not', async (t) => {
  const { as, greedy } = await setUp(t, { CHARTWARDEN_CLINIC_QUOTA: '1' })
  await hire(greedy, clinic, 'anna')
  await registerTestClinic(greedy, 'south')
  await hire(greedy, 'south', 'sue')
  await askALot(t, greedy)
  const modest = await as('modest')
  await t.rejects(modest.access.check(readRecord(clinic, 'anna')), { ...fault('QUOTA_EXCEEDED'), metadata: { quota: 'clinic' } })
  t.equal(await outcome(modest.access.check(readRecord('south', 'sue'))), 'done')
  const strange = await as('stranger', ['south'])
  t.equal(await outcome(strange.access.check(readRecord(clinic, 'anna'))), 'CLINIC_NOT_ALLOWED', 'whoever does not reach it learns nothing')
})

t.test('quotas hold for questions and records alone: what ends access, emergencies and reports pass', async (t) => {
  const { greedy } = await setUp(t, { CHARTWARDEN_CALLER_QUOTA: '1', CHARTWARDEN_CLINIC_QUOTA: '1' }, registerCalledClinic)
  await askALot(t, greedy)
  const counted: readonly Scope[] = ['access.check', 'access.record', 'disclosure.record', 'concern.record']
  for (const [method, { scope }] of Object.entries(methodRules) as [MethodName, { readonly scope: Scope }][]) {
    // Its messages are refused one by one, and not the stream.
    if (method.endsWith('/CheckStream')) continue
    const reason = await outcome(methodCalls(greedy, clinic, undefined, nothingStanding)[method]())
    if (counted.includes(scope)) t.equal(reason, 'QUOTA_EXCEEDED', method)
    else t.not(reason, 'QUOTA_EXCEEDED', method)
  }
  const left = await greedy.people.offboard({ requestId: randomUUID(), clinic, subject: { type: 'staff', id: 'anna' } })
  t.ok(left.entry)
})
