import t, { type Test } from 'tap'
import { createBatcher } from '../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { createLedgerObservation } from '../../services/audit/observed-ledger.ts'
import type { Tracer } from '../../services/kernel/telemetry/tracer.ts'
import { fault } from '../support/fault.ts'
import { holdEngine } from '../support/held-engine.ts'
import { appendOf, decision, openClinic } from '../support/ledger-entries.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingTracer } from '../support/recording-tracer.ts'

const open = async (t: Test, tracer: Tracer | undefined) => {
  const clock = manualClock()
  const memory = createMemoryEngine({ clock })
  t.teardown(() => memory.close())
  const held = holdEngine(memory)
  const told: (readonly [string, number])[] = []
  const observation = createLedgerObservation({
    tracer,
    observer: {
      appended: (outcome, durationMs) => told.push([outcome, durationMs]),
      appendFailed: (reason) => told.push([reason, -1]),
    },
    clock,
  })
  const ledger = observation.ledger(createBatcher({ engine: observation.engine(held), clock }))
  const clinic = await openClinic(memory, 'clinic')
  return { clock, held, ledger, told, append: () => ledger.append(appendOf(clinic, 'any', [decision()])) }
}

t.test('an append is told with its outcome and how long it waited', async (t) => {
  const { clock, held, append, told } = await open(t, undefined)
  const answer = append()
  const batch = await held.next()
  clock.advance(250)
  await batch.pass()
  await answer
  t.strictSame(told, [['stored', 250]])
})

t.test('an append that fails is told once, with its reason', async (t) => {
  const tracer = recordingTracer()
  const { held, append, told } = await open(t, tracer)
  const answer = append()
  await (await held.next()).fail(new Error('the database is gone'))
  await t.rejects(answer, fault('LEDGER_UNAVAILABLE'))
  t.strictSame(told, [
    ['failed', 0],
    ['LEDGER_UNAVAILABLE', -1],
  ])
  t.equal(tracer.one('append').ended, 'LEDGER_UNAVAILABLE')
  t.equal(tracer.one('ledger.commit').ended, 'INTERNAL', 'the engine in this test throws no error of the catalogue')
})

t.test('one statement is a child of the first append that is sampled, and linked with a bounded number of others', async (t) => {
  const tracer = recordingTracer()
  const { held, append } = await open(t, tracer)
  const answers = Array.from({ length: 50 }, append)
  await (await held.next()).pass()
  await Promise.all(answers)
  const commit = tracer.one('ledger.commit')
  const appends = tracer.spans.filter(({ name }) => name === 'append')
  t.equal(appends.length, 50)
  t.equal(commit.parent, appends[0])
  t.equal(commit.links.length, 32)
  t.equal(commit.links[0], appends[1])
  t.strictSame(appends[1]?.links, [commit], 'and the way back')
  t.strictSame(commit.attributes, { 'chartwarden.appends': 50, 'chartwarden.entries': 50 })
  t.ok(tracer.spans.every(({ ended }) => ended === 'well'))
  t.strictSame(appends[7]?.attributes, { 'chartwarden.outcome': 'stored', 'chartwarden.entries': 1 })
})

t.test('a statement that no sampled append asked for has no span', async (t) => {
  const tracer = recordingTracer((name) => name !== 'append')
  const { held, append } = await open(t, tracer)
  const answer = append()
  await (await held.next()).pass()
  await answer
  t.strictSame(
    tracer.spans.map(({ name }) => name),
    ['append'],
  )
})

t.test('without tracer and observer nothing stands in between', async (t) => {
  const clock = manualClock()
  const engine = createMemoryEngine({ clock })
  t.teardown(() => engine.close())
  const observation = createLedgerObservation({ tracer: undefined, observer: undefined, clock })
  const batcher = createBatcher({ engine, clock })
  t.equal(observation.engine(engine), engine)
  t.equal(observation.ledger(batcher), batcher)
})
