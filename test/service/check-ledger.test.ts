/** CheckLedger as its callers meet it: who may ask, what is said on the way, what is refused, and how it ends. */
import t from 'tap'
import { caught } from '../support/caught.ts'
import { checkOf } from '../support/check-of.ts'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { createLedgerGate } from '../support/gate.ts'
import { logLines } from '../support/log-lines.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

const gate = createLedgerGate()
const service = await startTestService(t, { database: await createTestDatabase(t), decorateLedger: gate.decorate })
const token = await service.token({ clinics: ['north', 'south'] })
const clients = clientsOf(service, token)
for (const clinic of ['north', 'south']) await registerTestClinic(clients, clinic)
await hire(clients, 'north', 'ada')
for (let asked = 0; asked < 5; asked += 1) await clients.access.check(readRecord('north', 'ada'))

t.test('how far it is, then what came out, which stands in the ledger already', async (t) => {
  const { parts, result } = await checkOf(clients.audit)
  t.equal(parts[0], 'entries')
  t.match(result, { faults: { length: 0 }, moreFaults: false, state: false, projections: false })
  t.ok(result.size >= 9n)
  const { entry } = await clients.audit.getEntry({ clinic: 'north', key: { case: 'id', value: result.entry?.id ?? '' } })
  t.match(entry, { type: 'chartwarden.ledger.checked.v1', revision: result.entry?.revision, leafHash: result.entry?.leafHash })
  const { caller, data } = JSON.parse(Buffer.from(entry?.canonical ?? []).toString('utf8'))
  t.match({ caller, data }, { caller: 'practice-software', data: { result: 'intact', cause: 'asked', size: `${result.size}` } })
})

t.test('whoever lacks the scope, or names a clinic that is not theirs, is refused', async (t) => {
  const without = await service.token({ clinics: ['north'], scopes: ownScopes.filter((scope) => scope !== 'ledger.verify') })
  t.match(await caught(checkOf(clientsOf(service, without).audit)), { reason: 'SCOPE_MISSING' })
  const other = clientsOf(service, await service.token({ clinics: ['south'] }))
  t.match(await caught(checkOf(other.audit)), { reason: 'CLINIC_NOT_ALLOWED' })
  t.match((await checkOf(other.audit, 'south')).result, { faults: { length: 0 } })
  t.match(await caught(checkOf(clients.audit, 'Not A Clinic')), { reason: /INVALID_ARGUMENT|CLINIC_NOT_ALLOWED/ })
  t.match(await caught(checkOf(clients.audit, '_system')), { reason: /INVALID_ARGUMENT|CLINIC_NOT_ALLOWED/ })
})

t.test('one check of a clinic at a time, beside those of others; decisions go on', async (t) => {
  const held = gate.holdNext(
    ({ clinic, entries }) => clinic === 'north' && entries.some(({ type }) => type === 'chartwarden.ledger.checked.v1'),
  )
  const first = checkOf(clients.audit)
  const release = await held
  const refused = await caught(checkOf(clients.audit))
  t.match(refused, { reason: 'OVERLOADED', retryAfterSeconds: 60 })
  t.match((await checkOf(clients.audit, 'south')).result, { faults: { length: 0 } })
  t.ok(await clients.access.check(readRecord('north', 'ada')))
  release()
  t.match((await first).result, { faults: { length: 0 } })
  t.match((await checkOf(clients.audit)).result, { faults: { length: 0 } }, 'and then the next')
})

t.test('by schedule every ledger is checked, the operator’s own too, and the metrics say so', async (t) => {
  const database = await createTestDatabase(t)
  const environment = { CHARTWARDEN_SELF_CHECK_HOURS: '1', CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0' }
  const { logger, of } = logLines()
  const scheduled = await startTestService(t, { database, environment, logger, selfCheckTickMs: 50 })
  const north = clientsOf(scheduled, await scheduled.token({ clinics: ['north'] }))
  await registerTestClinic(north, 'north')
  await waitFor('both ledgers', () => {
    const checked = new Set(of('ledger.intact').map(({ clinic }) => clinic))
    return checked.has('_system') && checked.has('north')
  })
  t.same([...of('ledger.damaged'), ...of('ledger.not_checked'), ...of('ledger.checks_stalled')], [])
  const text = await (await fetch(`http://127.0.0.1:${scheduled.metricsPort}/metrics`)).text()
  t.match(text, /chartwarden_ledger_checks_total\{[^}]*cause="schedule"[^}]*result="intact"[^}]*\} 2/)
  t.match(text, /chartwarden_ledger_check_interval_seconds(\{[^}]*\})? 3600/)
  t.match(text, /chartwarden_ledger_check_age_seconds(\{[^}]*\})? [0-9.]+/)
  t.match(text, /chartwarden_ledger_check_faults\{[^}]*kind="entry_changed"[^}]*\} 0/)
})
