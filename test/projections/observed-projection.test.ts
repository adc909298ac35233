import t from 'tap'
import type { ProjectionTransaction } from '../../services/projections/database.ts'
import { observedProjection } from '../../services/projections/observed-projection.ts'
import type { ProjectedEvent, Projection } from '../../services/projections/projection.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingTracer } from '../support/recording-tracer.ts'

const transaction = {} as ProjectionTransaction
const events = [{}, {}, {}] as ProjectedEvent[]

t.test('a batch that was applied is told with its size and time; one that failed is not', async (t) => {
  const clock = manualClock()
  const tracer = recordingTracer()
  const told: unknown[] = []
  let works = true
  const projection = {
    name: 'clinics',
    types: [],
    apply: async (...given: unknown[]) => {
      t.strictSame(given, [transaction, events])
      clock.advance(40)
      if (!works) throw new TypeError('of patient p-1')
    },
  } as unknown as Projection
  const observed = observedProjection(projection, { tracer, applied: (...what) => told.push(what) }, clock)
  t.match(observed, { name: 'clinics', types: { length: 0 } }, 'everything else of it stays')
  await observed.apply(transaction, events)
  t.strictSame(told, [['clinics', 3, 40]])
  works = false
  await t.rejects(observed.apply(transaction, events), TypeError, 'a fault goes on as it is')
  t.equal(told.length, 1)
  t.match(tracer.spans, [
    { name: 'projection.apply', ended: 'well', attributes: { 'chartwarden.projection': 'clinics', 'chartwarden.entries': 3 } },
    { name: 'projection.apply', ended: 'INTERNAL' },
  ])
})
