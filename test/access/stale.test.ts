/**
 * A permit that rests on something that ends is never stored at its end or later, whatever the service's clock believes: the append carries
 * the end, the ledger compares it with its own clock and answers `stale`, and it is decided again. The twin drops the end from the append
 * and must be noticed.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type Answer, createCheck } from '../../services/access/check.ts'
import { createClinicWriters } from '../../services/access/clinic-writer.ts'
import { createBatcher } from '../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { createIdentities } from '../../services/audit/identities.ts'
import type { Ledger, LedgerEngine } from '../../services/audit/ledger.ts'
import { createLedgerClock } from '../../services/audit/ledger-clock.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import type { CallContext } from '../../services/kernel/caller.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { permission } from '../support/clinic-fold.ts'
import { createLedgerScript } from '../support/ledger-script.ts'
import { type ManualClock, manualClock } from '../support/manual-clock.ts'
import { createLedgerDatabase, openEngine } from '../support/postgres-engine.ts'
import { waitFor } from '../support/wait-for.ts'

/** The sabotage: what a permit rests on is not told to the ledger. */
const withoutNotAfter = (ledger: Ledger): Ledger => ({
  ...ledger,
  append: ({ notAfter: _notAfter, ...append }) => ledger.append(append),
})

const honest = (ledger: Ledger): Ledger => ledger

const context: CallContext = {
  caller: { id: 'practice-software', issuer: 'i', clinics: new Set(['north']), scopes: new Set(), expiresAt: Number.POSITIVE_INFINITY },
  correlationId: 'c',
  deadline: Number.POSITIVE_INFINITY,
  signal: new AbortController().signal,
}

type Ends = 'grant' | 'place' | 'share' | 'consent' | 'emergency' | 'forbid to come'
const everything: readonly Ends[] = ['grant', 'place', 'share', 'consent', 'emergency', 'forbid to come']

/** A service whose clock is its own, over an engine, and a clinic where what the permit rests on ends at a moment. */
const aService = async (
  engine: LedgerEngine,
  clock: ManualClock,
  ends: Ends,
  until: number,
  decorate: (ledger: Ledger) => Ledger = honest,
) => {
  const vault = createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  })
  const clinic = `clinic-${randomUUID().slice(0, 8)}`
  const script = await createLedgerScript(engine, vault, clinic)
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  const actor = { rule: 'scope/staff.write' }
  const end = new Date(until).toISOString()
  const define = (role: string, given: ReturnType<typeof permission>) =>
    script.write('chartwarden.role.defined.v2', { actor, role, title: role, inherits: [], permissions: [given] })
  const bound = { place: 'own_patients', share: 'shared' } as const
  const bounds = ends === 'place' || ends === 'share' ? { bounds: [{ kind: bound[ends], codes: [] }] } : {}
  await script.write('chartwarden.staff.enrolled.v1', { actor, subject: anna, member_of: [] })
  await define('reader', permission('imaging', ends === 'emergency' ? 'update' : 'read', bounds))
  await define('forbidder', permission('imaging', 'read', { effect: 'forbid' }))
  await script.granted(anna, 'reader', ends === 'grant' ? { until } : {})
  if (ends === 'forbid to come') await script.granted(anna, 'forbidder', { from: until })
  if (ends === 'place') await script.write('chartwarden.careteam.joined.v1', { actor, patient, subject: anna, until: end })
  if (ends === 'share') {
    const what = { resource_types: ['imaging'], actions: ['read'], purpose: 'BTG' }
    await script.write('chartwarden.record.shared.v1', { actor, recipient: anna, patient, ...what, until: end })
  }
  if (ends === 'consent') {
    const all = { actor, patient, resource_types: [], purposes: [] }
    await script.write('chartwarden.consent.recorded.v1', { ...all, decision: 'deny' })
    await script.write('chartwarden.consent.recorded.v1', { ...all, recipient: anna, decision: 'permit', until: end })
  }
  if (ends === 'emergency') {
    const opened = { actor, subject: anna, patient, purpose: 'BTG' as const, until: end, review_due: end }
    await script.write('chartwarden.emergency.opened.v1', opened, { time: Math.min(until, script.nextTime()) - 86_400_000 })
  }
  const ledgerClock = createLedgerClock({ clock })
  const ledger = decorate(createBatcher({ engine, clock, ledgerClock }))
  await ledger.time()
  const { now } = ledgerClock
  const writers = createClinicWriters({ ledger, vault, now, clock })
  const identities = createIdentities({ ledger, now, randomness: systemRandomness, clock })
  const check = createCheck({ writers, identities, randomness: systemRandomness, now })
  const ask = (): Promise<Answer> =>
    check(context, {
      requestId: randomUUID(),
      clinic,
      subject: { type: 'staff', id: 'anna' },
      action: { name: 'read' },
      resource: { type: 'imaging', id: 'i', patientId: 'p-1' },
      purpose: 'BTG',
      reason: '',
      intent: 'access',
      supportedObligations: [],
    })
  // Whom the question names stands in the ledger from here on, so that what follows is one append.
  await ask()
  return { ask, clinic, ledger, now }
}

const start = Date.parse('2026-11-23T12:00:00.000Z')

/** The service learnt the ledger's time before the ledger's clock went on; what it then stores, and when by the ledger. */
const askedAcross = async (
  ends: Ends,
  over: { readonly decorate?: (ledger: Ledger) => Ledger; readonly engineAt: number; readonly serviceAt: number },
) => {
  const [engineClock, clock] = [manualClock(start), manualClock(start)]
  const service = await aService(createMemoryEngine({ clock: engineClock }), clock, ends, start + 1_000, over.decorate)
  engineClock.advance(over.engineAt)
  clock.advance(over.serviceAt)
  const { decided, entry } = await service.ask()
  return { decision: decided.decision, reason: decided.reason_code, lateBy: entry.recordedAt - (start + 1_000) }
}

for (const ends of everything) {
  t.test(`${ends}: a service behind its ledger stores no permit at the end or after it`, async (t) => {
    t.match(await askedAcross(ends, { engineAt: 999, serviceAt: 0 }), { decision: 'permit', lateBy: -1 })
    t.match(
      await askedAcross(ends, { engineAt: 1_000, serviceAt: 0 }),
      { decision: 'deny', lateBy: 0 },
      'its clock says there is a second left',
    )
    t.match(await askedAcross(ends, { engineAt: 60_000, serviceAt: 999 }), { decision: 'deny' })
  })

  t.test(`${ends}: a service ahead of its ledger refuses early and never permits late`, async (t) => {
    t.match(await askedAcross(ends, { engineAt: 0, serviceAt: 1_000 }), { decision: 'deny' })
    t.match(await askedAcross(ends, { engineAt: 0, serviceAt: 999 }), { decision: 'permit', lateBy: -1_000 })
    t.match(await askedAcross(ends, { engineAt: 1_000, serviceAt: 60_000 }), { decision: 'deny' })
  })

  t.test(`sabotage: ${ends}: without the end in the append a late permit is stored, and noticed`, async (t) => {
    const late = await askedAcross(ends, { engineAt: 1_000, serviceAt: 0, decorate: withoutNotAfter })
    t.same([late.decision, late.lateBy], ['permit', 0])
  })
}

t.test('however the two clocks run, no permit is stored at the end or after it', async () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 700 }), fc.integer({ min: 0, max: 700 })), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...everything), steps, async (ends, advances) => {
      const [engineClock, clock] = [manualClock(start), manualClock(start)]
      const { ask } = await aService(createMemoryEngine({ clock: engineClock }), clock, ends, start + 1_000)
      for (const [engine, service] of advances) {
        engineClock.advance(engine)
        clock.advance(service)
        const { decided, entry } = await ask()
        if (decided.decision === 'permit' && entry.recordedAt >= start + 1_000) return false
      }
      return true
    }),
    { numRuns: 60 },
  )
})

t.test('what was decided in time but reaches the ledger late is decided again', async (t) => {
  const [engineClock, clock] = [manualClock(start), manualClock(start)]
  let armed = false
  const slow = (ledger: Ledger): Ledger => ({
    ...ledger,
    append: (append) => {
      if (armed) engineClock.advance(1_000)
      armed = false
      return ledger.append(append)
    },
  })
  const { ask } = await aService(createMemoryEngine({ clock: engineClock }), clock, 'grant', start + 1_000, slow)
  armed = true
  t.match((await ask()).decided, { decision: 'deny', reason_code: 'no_grant' })
})

/** Over Postgres the ledger's clock is the database's; the service's stands still, so that it believes there is time left. */
const askedLate = async (t: Test, decorate: (ledger: Ledger) => Ledger) => {
  const engine = openEngine(t, await createLedgerDatabase(t))
  const until = (await engine.time()) + 3_000
  const { ask, now } = await aService(engine, manualClock(), 'grant', until, decorate)
  await waitFor('the end by the database', async () => (await engine.time()) >= until)
  t.ok(now() < until, 'the service believes that there is time left')
  const { decided, entry } = await ask()
  return { decision: decided.decision, late: entry.recordedAt >= until }
}

t.test('Postgres refuses a permit at its end by its own clock', async (t) => {
  t.same(await askedLate(t, honest), { decision: 'deny', late: true })
})

t.test('sabotage: Postgres without the end in the append stores a late permit, which is noticed', async (t) => {
  t.same(await askedLate(t, withoutNotAfter), { decision: 'permit', late: true })
})
