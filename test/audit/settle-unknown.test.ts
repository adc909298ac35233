import { randomBytes, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { type Batcher, createBatcher } from '../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import type { Append, AppendOutcome, Ledger } from '../../services/audit/ledger.ts'
import { type Settlement, settleUnknown } from '../../services/audit/settle-unknown.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { fault } from '../support/fault.ts'
import { holdEngine } from '../support/held-engine.ts'
import { appendOf, change, decision, openClinic, plain, wholeLedger } from '../support/ledger-entries.ts'
import { manualClock } from '../support/manual-clock.ts'
import { manualTimers } from '../support/manual-timers.ts'
import { waitFor } from '../support/wait-for.ts'

const lost = new Error('the connection died')

interface Wishes {
  /** Stands between the batcher and what is tested. */
  readonly between?: (batcher: Batcher) => Ledger
  readonly storedNothing?: (fault: unknown) => boolean
}

const open = async (t: Test, { between = (batcher) => batcher, storedNothing }: Wishes = {}) => {
  const clock = manualClock()
  const timers = manualTimers()
  const memory = createMemoryEngine({ clock })
  t.teardown(() => memory.close())
  const engine = holdEngine(memory)
  const batcher = createBatcher({ engine, clock })
  const settled: Settlement[] = []
  const ledger = settleUnknown({
    ledger: between(batcher),
    engine: storedNothing === undefined ? {} : { storedNothing },
    clock,
    timers,
    onSettled: (settlement) => settled.push(settlement),
  })
  const clinic = await openClinic(memory, 'clinic')
  const pausing = (milliseconds: number) => waitFor(`a pause of ${milliseconds} ms`, () => timers.pending().includes(milliseconds))
  return { clock, timers, memory, engine, batcher, settled, ledger, clinic, pausing, entries: () => wholeLedger(memory, clinic) }
}

type Parts = Awaited<ReturnType<typeof open>>

/** What an append is answered whose statement did its work and whose answer was lost; `meanwhile` happens before it is sent again. */
const answerLost = async (parts: Parts, append: Append, meanwhile: () => Promise<unknown> = async () => {}): Promise<AppendOutcome> => {
  const answer = parts.ledger.append(append)
  await (await parts.engine.next()).lose(lost)
  const again = await parts.engine.next()
  await meanwhile()
  await again.pass()
  return answer
}

t.test('an append that was stored, and its answer lost, is answered as it was stored, and stands there once', async (t) => {
  const parts = await open(t)
  const { clock, clinic, settled, entries } = parts
  const sent = [decision(), decision()]
  const storedAt = clock.wall()
  const outcome = await answerLost(parts, appendOf(clinic, 0n, sent), async () => clock.advance(400))
  t.same(outcome, { kind: 'stored', revisions: [1n, 2n], stateRevision: 0n, ledgerTime: storedAt })
  t.same(
    (await entries()).slice(1).map(({ id }) => id),
    sent.map(({ id }) => id),
  )
  t.same(settled, ['found'])
})

t.test('sabotage: without it the caller hears that nothing can be recorded, and it is', async (t) => {
  const { batcher, engine, clinic, entries } = await open(t)
  const answer = batcher.append(appendOf(clinic, 0n, [decision()]))
  await (await engine.next()).lose(lost)
  await t.rejects(answer, fault('LEDGER_UNAVAILABLE'))
  t.equal((await entries()).length, 2)
})

t.test('sabotage: sent again under other ids it would stand there twice', async (t) => {
  const renewed = (append: Append): Append => ({ ...append, entries: append.entries.map((entry) => ({ ...entry, id: randomUUID() })) })
  const parts = await open(t, { between: (batcher) => ({ ...batcher, append: (append) => batcher.append(renewed(append)) }) })
  t.match(await answerLost(parts, appendOf(parts.clinic, 0n, [decision()])), { kind: 'stored', revisions: [2n] })
  t.equal((await parts.entries()).length, 3)
})

t.test('an append that never arrived is stored by the second try', async (t) => {
  const { engine, ledger, clinic, settled, entries } = await open(t)
  const answer = ledger.append(appendOf(clinic, 0n, [change()]))
  await (await engine.next()).fail(lost)
  await (await engine.next()).pass()
  t.match(await answer, { kind: 'stored', revisions: [1n], stateRevision: 1n })
  t.equal((await entries()).length, 2)
  t.same(settled, ['appended'])
})

t.test('a copy that is still on its way makes no second entry, whichever arrives first', async (t) => {
  const { engine, ledger, memory, clinic, entries } = await open(t)
  const append = appendOf(clinic, 0n, [decision()])
  const answer = ledger.append(append)
  await (await engine.next()).fail(lost)
  await (await engine.next()).pass()
  t.match(await answer, { kind: 'stored', revisions: [1n] })
  t.match(await memory.appendBatch([append]), [{ kind: 'duplicate' }])
  t.equal((await entries()).length, 2)
})

t.test('a change of its own is stored at the state it made', async (t) => {
  const parts = await open(t)
  const outcome = await answerLost(parts, appendOf(parts.clinic, 0n, [decision(), change(), decision()]))
  t.match(outcome, { kind: 'stored', revisions: [1n, 2n, 3n], stateRevision: 2n })
})

t.test('where the state has moved on since, it stays a duplicate, so that what has ended meanwhile is not handed out', async (t) => {
  const parts = await open(t)
  const { memory, clinic, settled } = parts
  const sent = decision()
  const outcome = await answerLost(parts, appendOf(clinic, 0n, [sent]), () => memory.appendBatch([appendOf(clinic, 0n, [change()])]))
  if (outcome.kind !== 'duplicate') return void t.fail(outcome.kind)
  t.same(outcome.originals.map(plain), [plain({ ...sent, clinic, revision: 1n, recordedAt: parts.clock.wall() })])
  t.equal(outcome.stateRevision, 2n)
  t.same(settled, ['found'])
})

t.test('where the moment has come that it names, it stays a duplicate too, though no state has moved', async (t) => {
  const settledAfter = async (milliseconds: number): Promise<AppendOutcome> => {
    const parts = await open(t)
    const notAfter = parts.clock.wall() + 400
    const append = appendOf(parts.clinic, 0n, [decision()], { notAfter })
    return answerLost(parts, append, async () => parts.clock.advance(milliseconds))
  }
  t.match(await settledAfter(399), { kind: 'stored', revisions: [1n] })
  t.match(await settledAfter(400), { kind: 'duplicate', stateRevision: 0n })
})

t.test('what no state can make wrong is stored, however far the state has moved', async (t) => {
  const parts = await open(t)
  const { memory, clinic } = parts
  const outcome = await answerLost(parts, appendOf(clinic, 'any', [decision()]), () =>
    memory.appendBatch([appendOf(clinic, 0n, [change()])]),
  )
  t.match(outcome, { kind: 'stored', revisions: [1n], stateRevision: 2n })
})

t.test('what somebody else had stored under its ids stays a duplicate of that', async (t) => {
  const { engine, ledger, memory, clinic, settled } = await open(t)
  const earlier = decision()
  await memory.appendBatch([appendOf(clinic, 0n, [earlier])])
  const answer = ledger.append(appendOf(clinic, 0n, [{ ...earlier, bytes: randomBytes(40) }]))
  await (await engine.next()).fail(lost)
  await (await engine.next()).pass()
  const outcome = await answer
  t.match(outcome, { kind: 'duplicate' })
  t.same(outcome.kind === 'duplicate' && outcome.originals[0]?.bytes, Uint8Array.from(earlier.bytes))
  t.same(settled, ['found'])
})

t.test('an append that was not stored and is refused now is to be decided again, as ever', async (t) => {
  const { engine, ledger, memory, clinic, settled, entries } = await open(t)
  const answer = ledger.append(appendOf(clinic, 0n, [decision()]))
  await (await engine.next()).fail(lost)
  await memory.appendBatch([appendOf(clinic, 0n, [change()])])
  await (await engine.next()).pass()
  t.match(await answer, { kind: 'moved', stateRevision: 1n })
  t.equal((await entries()).length, 2)
  t.same(settled, ['refused'])
})

t.test('a fault that proves that nothing was stored is answered at once', async (t) => {
  const { engine, ledger, clinic, settled } = await open(t, { storedNothing: (cause) => cause === lost })
  const answer = ledger.append(appendOf(clinic, 0n, [decision()]))
  await (await engine.next()).fail(lost)
  await t.rejects(answer, fault('LEDGER_UNAVAILABLE'))
  t.equal(engine.sent.length, 1)
  t.same(settled, [], 'no answer was lost')
})

t.test('nobody else waits while it is being found out', async (t) => {
  const { engine, ledger, clinic, timers, pausing } = await open(t)
  const answer = ledger.append(appendOf(clinic, 0n, [decision()]))
  await (await engine.next()).lose(lost)
  await (await engine.next()).fail(lost)
  await pausing(25)
  const other = ledger.append(appendOf(clinic, 0n, [decision()]))
  await (await engine.next()).pass()
  t.match(await other, { kind: 'stored', revisions: [2n] })
  timers.runAll()
  await (await engine.next()).pass()
  t.match(await answer, { kind: 'stored', revisions: [1n] })
})

/** A try waits in the queue until it is dropped there unsent; what it is answered once another try was sent. */
const droppedUnsent = async (parts: Parts): Promise<AppendOutcome> => {
  const { engine, ledger, clinic, clock, timers, pausing } = parts
  const answer = ledger.append(appendOf(clinic, 0n, [decision()]))
  await (await engine.next()).lose(lost)
  await (await engine.next()).fail(lost)
  await pausing(25)
  const other = ledger.append(appendOf(clinic, 0n, [decision()]))
  await engine.next()
  timers.runAll()
  await waitFor('the next try to queue', () => parts.batcher.queued().entries === 1)
  clock.advance(1_001)
  engine.passAll()
  await other
  const running = setInterval(timers.runAll, 5)
  return answer.finally(() => clearInterval(running))
}

t.test('a try that was dropped in the queue says nothing of what was sent before it', async (t) => {
  t.match(await droppedUnsent(await open(t)), { kind: 'stored', revisions: [1n] })
})

t.test('sabotage: taken for an answer, it would have what is stored decided again', async (t) => {
  const parts = await open(t, {
    between: (batcher) => ({
      ...batcher,
      append: async (append) => {
        const outcome = await batcher.append(append)
        return outcome.kind === 'stale' ? { kind: 'stale', ledgerTime: outcome.ledgerTime } : outcome
      },
    }),
  })
  t.match(await droppedUnsent(parts), { kind: 'stale' })
  t.equal((await parts.entries())[1]?.revision, 1n)
})

t.test('it is tried for five seconds, with pauses that grow, and then the ledger cannot record now', async (t) => {
  const { engine, ledger, clinic, clock, timers, pausing, settled } = await open(t)
  const answer = ledger.append(appendOf(clinic, 0n, [decision()]))
  await (await engine.next()).fail(lost)
  for (const milliseconds of [25, 50, 100, 200, 400, 400]) {
    await (await engine.next()).fail(lost)
    await pausing(milliseconds)
    clock.advance(milliseconds)
    timers.runAll()
  }
  const last = await engine.next()
  clock.advance(5_000)
  await last.fail(lost)
  await t.rejects(answer, fault('LEDGER_UNAVAILABLE'))
  t.equal(engine.sent.length, 8)
  t.same(settled, ['unknown'])
})

t.test('a try that is never answered does not make it longer, and may still be stored, once', async (t) => {
  const { engine, ledger, clinic, clock, timers, entries } = await open(t)
  const append = appendOf(clinic, 0n, [decision()])
  const answer = ledger.append(append)
  await (await engine.next()).fail(lost)
  const held = await engine.next()
  clock.advance(5_000)
  timers.runAll()
  await t.rejects(answer, fault('LEDGER_UNAVAILABLE'))
  await held.pass()
  t.equal((await entries()).length, 2)
  engine.passAll()
  t.match(await ledger.append(append), { kind: 'duplicate' }, 'the same request again finds it')
})

t.test('nothing is tried for a caller who has gone', async (t) => {
  const { engine, ledger, clinic, clock, settled } = await open(t)
  const answer = ledger.append(appendOf(clinic, 0n, [decision()], { deadline: clock.monotonic() + 100 }))
  const held = await engine.next()
  clock.advance(100)
  await held.fail(lost)
  await t.rejects(answer, fault('LEDGER_UNAVAILABLE'))
  t.equal(engine.sent.length, 1)
  t.same(settled, ['unknown'])
})

t.test('a full queue is tried again; a service that stops says that it cannot record now', async (t) => {
  const refusals = [new ChartwardenError('OVERLOADED'), new ChartwardenError('SHUTTING_DOWN')]
  const parts: Parts = await open(t, {
    between: (batcher) => ({
      ...batcher,
      append: (append) => (parts.engine.sent.length === 0 ? batcher.append(append) : Promise.reject(refusals.shift())),
    }),
  })
  const answer = parts.ledger.append(appendOf(parts.clinic, 0n, [decision()]))
  await (await parts.engine.next()).fail(lost)
  await parts.pausing(25)
  parts.timers.runAll()
  await t.rejects(answer, fault('LEDGER_UNAVAILABLE'))
  t.same(refusals, [])
  t.same(parts.settled, ['unknown'])
})

t.test('a ledger that has lost entries is not asked again', async (t) => {
  const { engine, ledger, clinic, settled } = await open(t)
  const answer = ledger.append(appendOf(clinic, 0n, [decision()]))
  await (await engine.next()).fail(lost)
  await (await engine.next()).fail(new ChartwardenError('LEDGER_REGRESSED'))
  await t.rejects(answer, fault('LEDGER_REGRESSED'))
  t.same(settled, ['unknown'])
})

t.test('what fails before it is sent passes as it is', async (t) => {
  const { ledger, engine, batcher, clinic } = await open(t)
  await t.rejects(ledger.append(appendOf(clinic, 0n, [])), fault('INTERNAL'))
  await batcher.drain()
  await t.rejects(ledger.append(appendOf(clinic, 0n, [decision()])), fault('SHUTTING_DOWN'))
  t.equal(engine.sent.length, 0)
})
