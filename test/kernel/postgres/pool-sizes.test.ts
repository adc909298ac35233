import fc from 'fast-check'
import t from 'tap'
import { connectionsOf, poolSizes, workersWithin } from '../../../services/kernel/postgres/pool-sizes.ts'

/** What PostgreSQL lets in unless told otherwise: 100, of which it keeps three. */
const usableByDefault = 97

t.test('eight workers fit into a server with its defaults', async (t) => {
  t.ok(connectionsOf(8) <= usableByDefault)
  t.ok(connectionsOf(9) > usableByDefault, 'twin: nine do not')
  t.equal(workersWithin(usableByDefault, 64), 8)
  t.equal(workersWithin(usableByDefault, 2), 2, 'no more than are wanted')
  t.equal(workersWithin(20, 4), 0, 'not even one fits')
})

t.test('a worker keeps what its work cannot do without, however many there are', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), (workers) => {
      const { writer, feed, query, migrate } = poolSizes('answers', workers)
      return writer >= 3 && feed >= 4 && query >= 3 && migrate === 0
    }),
  )
  const whole = poolSizes('whole', 1)
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 64 }), (workers) => {
      const { writer, feed, query } = poolSizes('answers', workers)
      return writer < whole.writer && feed < whole.feed && query < whole.query
    }),
  )
})

t.test('more workers never need fewer connections, and what fits is the most that does', async () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 63 }), (workers) => connectionsOf(workers + 1) >= connectionsOf(workers)))
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 800 }), fc.integer({ min: 1, max: 64 }), (connections, wanted) => {
      const fitting = workersWithin(connections, wanted)
      const fits = fitting === 0 || connectionsOf(fitting) <= connections
      return fits && (fitting === wanted || connectionsOf(fitting + 1) > connections)
    }),
  )
})
