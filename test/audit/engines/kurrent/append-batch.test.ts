/** What becomes of a batch whose clinics fare differently. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { type AppendBatchOptions, createAppendBatch } from '../../../../services/audit/engines/kurrent/append-batch.ts'
import type { AppendEvents } from '../../../../services/audit/engines/kurrent/append-events.ts'
import { streamNames } from '../../../../services/audit/engines/kurrent/stream-names.ts'
import { ChartwardenError } from '../../../../services/kernel/errors.ts'
import { refuse, swallow } from '../../../support/kurrent-double/append-scripts.ts'
import type { AppendScript } from '../../../support/kurrent-double/appends.ts'
import { startKurrentDouble } from '../../../support/kurrent-double/double.ts'
import { openKurrentEngine } from '../../../support/kurrent-engine.ts'
import { createIndexDatabase } from '../../../support/kurrent-index.ts'
import { appendOf, decision, openClinic } from '../../../support/ledger-entries.ts'
import { manualClock } from '../../../support/manual-clock.ts'

const names = streamNames('x')
const [north, south] = ['north', 'south']
const thrownBy = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )

/** Over an index in which every clinic has one entry, with appends that fare as the test says. */
const setUp = (appendEvents: AppendEvents, replaced: Partial<AppendBatchOptions> = {}) => {
  const clock = manualClock()
  const unsent: unknown[] = []
  const appendBatch = createAppendBatch({
    index: {
      look: async (ids) => ({
        time: 1_000,
        clinics: new Map([...ids.keys()].map((clinic) => [clinic, { exists: true, revision: 0n, stateRevision: 0n, entries: new Map() }])),
      }),
      add: async () => {},
    },
    streams: { protect: async () => {} },
    reader: { at: async function* () {} },
    names,
    catchUp: async () => true,
    appendEvents: (append, closing) => {
      clock.advance(100)
      return appendEvents(append, closing)
    },
    clock,
    newId: randomUUID,
    contendMs: 5_000,
    contendBesideOthersMs: 250,
    onConflict: () => {},
    onUnsent: (fault) => unsent.push(fault),
    closing: new AbortController().signal,
    ...replaced,
  })
  const started = clock.monotonic()
  const append = (...clinics: readonly string[]) => appendBatch(clinics.map((clinic) => appendOf(clinic, 0n, [decision()])))
  return { append, unsent, passed: () => clock.monotonic() - started }
}

t.test('where every clinic of a batch fails, each is told its own fault and not its neighbour’s', async (t) => {
  const faults = {
    [names.streamOf(north)]: new ChartwardenError('LEDGER_REGRESSED'),
    [names.streamOf(south)]: new ChartwardenError('LEDGER_UNAVAILABLE', { cause: new Error('no answer') }),
  }
  const { append, unsent } = setUp(async ({ stream }) => Promise.reject(faults[stream]))
  const outcomes = await append(north, south, north)
  t.same(
    outcomes.map((outcome) => outcome.kind === 'failed' && (outcome.cause as ChartwardenError).reason),
    ['LEDGER_REGRESSED', 'LEDGER_UNAVAILABLE', 'LEDGER_REGRESSED'],
  )
  t.equal(await thrownBy(append(south)), faults[names.streamOf(south)], 'that of a clinic alone is thrown')
  t.same(unsent, [], 'whether they were stored is not known')
})

t.test('a clinic that others keep appending to holds up its neighbours’ answers only for a moment', async (t) => {
  const { append, unsent, passed } = setUp(async ({ stream }) => (stream === names.streamOf(north) ? 'conflict' : 'stored'))
  const outcomes = await append(north, south)
  t.match(outcomes, [{ kind: 'again' }, { kind: 'stored', revisions: [1n] }])
  t.ok(passed() <= 500, `${passed()} ms of the clock that the appends take their time from`)
  t.same(unsent, [])
})

t.test('alone it is tried for longer, and then nothing is stored', async (t) => {
  const { append, unsent, passed } = setUp(async () => 'conflict')
  const thrown = await thrownBy(append(north))
  t.match(thrown, { reason: 'LEDGER_UNAVAILABLE' })
  t.ok(passed() >= 5_000)
  t.ok(unsent.length === 1 && unsent[0] === thrown)
})

t.test('what fails before anything is sent leaves nothing stored', async (t) => {
  const fault = new ChartwardenError('LEDGER_UNAVAILABLE', { cause: new Error('the database is away') })
  const failing = async () => Promise.reject(fault)
  for (const replaced of [{ index: { look: failing, add: async () => {} } }, { catchUp: failing }]) {
    const { append, unsent } = setUp(async () => 'conflict', replaced)
    t.equal(await thrownBy(append(north)), fault)
    t.same(unsent, [fault])
  }
})

t.test('the engine knows which of its faults leave no doubt', async (t) => {
  const double = await startKurrentDouble(t)
  const engine = await openKurrentEngine(t, double.url, await createIndexDatabase(t), {
    callTimeoutMs: 300,
    readTimeoutMs: 5_000,
    settleMs: 0,
  })
  const clinic = await openClinic(engine)
  const faultUnder = async (script: AppendScript) => {
    double.script(script)
    return thrownBy(engine.appendBatch([appendOf(clinic, 0n, [decision()])]))
  }
  t.equal(engine.storedNothing?.(await faultUnder(refuse('AccessDenied'))), true)
  t.equal(engine.storedNothing?.(await faultUnder(swallow)), false)
})
