/**
 * Promise 2: decisions and permission changes share one order. A gate at the Ledger port holds a decided append until an offboarding is
 * acknowledged elsewhere; the check must then be denied. The sabotage twin, decisions that rest on no state, must fail every time.
 */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { Ledger } from '../../services/audit/ledger.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { createLedgerGate, isDecision, restingOnAny } from '../support/gate.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, startTestService } from '../support/service.ts'

/** Two replicas on one ledger; the appends of the second go through a gate. */
const twoReplicas = async (t: Test, sabotage: (ledger: Ledger) => Ledger = (ledger) => ledger) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'replicas')
  const gate = createLedgerGate()
  const first = await startTestService(t, { database, stateDir })
  const second = await startTestService(t, { database, stateDir, decorateLedger: (ledger) => gate.decorate(sabotage(ledger)) })
  const token = await first.token({ clinics: ['north'] })
  const here = clientsOf(first, token)
  const there = clientsOf(second, token)
  await registerTestClinic(here, 'north')
  return { gate, here, there }
}

/** What a check answers whose append is held until the person is offboarded on the other replica. */
const checkHeldOverOffboarding = async (t: Test, sabotage?: (ledger: Ledger) => Ledger) => {
  const { gate, here, there } = await twoReplicas(t, sabotage)
  await hire(here, 'north', 'anna')
  t.equal((await there.access.check(readRecord('north', 'anna'))).decision, Decision.PERMIT, 'permitted before')
  const held = gate.holdNext(isDecision)
  const answer = there.access.check(readRecord('north', 'anna'))
  const release = await held
  const left = await here.people.offboard({ requestId: randomUUID(), clinic: 'north', subject: staff('anna') })
  release()
  return { answer: await answer, left, gate }
}

t.test('a decision made before an offboarding and stored after it is decided again', async (t) => {
  const { answer, left, gate } = await checkHeldOverOffboarding(t)
  t.equal(answer.decision, Decision.DENY)
  t.equal(answer.reasonCode, 'offboarded')
  t.ok((answer.entry?.revision ?? 0n) > (left.entry?.revision ?? 0n), 'the deny stands behind the offboarding')
  t.ok(
    gate.passed.some(({ outcome }) => outcome.kind === 'moved'),
    'the ledger refused the first decision',
  )
})

t.test('sabotage: decisions that rest on any state let the leaver in, every time', async (t) => {
  for (let round = 0; round < 3; round += 1) {
    const { answer, left } = await checkHeldOverOffboarding(t, restingOnAny)
    t.equal(answer.decision, Decision.PERMIT, 'without the mechanism the promise is broken')
    t.ok((answer.entry?.revision ?? 0n) > (left.entry?.revision ?? 0n))
  }
})

t.test('a replayed question gets no old permit from a replica that lags', async (t) => {
  const { here, there } = await twoReplicas(t)
  await hire(here, 'north', 'anna')
  const question = readRecord('north', 'anna')
  t.equal((await there.access.check(question)).decision, Decision.PERMIT)
  await here.people.offboard({ requestId: randomUUID(), clinic: 'north', subject: staff('anna') })
  // The other replica has read nothing since: only the ledger's answer can tell it.
  const replay = await there.access.check(question)
  t.equal(replay.decision, Decision.DENY)
  t.equal(replay.reasonCode, 'stale_request')
  t.equal((await here.access.check(question)).entry?.id, replay.entry?.id, 'every replica gives the same refusal')
})

t.test('an expired grant permits nothing once the ledger’s clock has passed it', async (t) => {
  const { gate, here, there } = await twoReplicas(t)
  await here.people.enrolStaff({ requestId: randomUUID(), clinic: 'north', subject: staff('anna') })
  const ends = Date.now() + 1_500
  const until = { seconds: BigInt(Math.floor(ends / 1000)), nanos: (ends % 1000) * 1_000_000 }
  await here.people.grantRole({ requestId: randomUUID(), clinic: 'north', subject: staff('anna'), role: 'dentist', until })
  t.equal((await there.access.check(readRecord('north', 'anna'))).decision, Decision.PERMIT, 'permitted before')
  const held = gate.holdNext(isDecision)
  const answer = there.access.check(readRecord('north', 'anna'))
  const release = await held
  // Checks by the other replica, which read the same clock, say when the boundary has passed.
  while ((await here.access.check(readRecord('north', 'anna', { probe: true }))).decision === Decision.PERMIT);
  release()
  t.equal((await answer).decision, Decision.DENY)
  t.ok(
    gate.passed.some(({ outcome }) => outcome.kind === 'stale'),
    'the ledger refused the decision as stale',
  )
})
