import t from 'tap'
import { createExpiringCache } from '../../services/kernel/expiring-cache.ts'
import { manualClock } from '../support/manual-clock.ts'

t.test('a value is given out until it is as old as allowed, however often it is used', async (t) => {
  const clock = manualClock()
  const cache = createExpiringCache<string, number>({ max: 10, ttlMs: 100, clock })
  cache.set('a', 1)
  for (let passed = 0; passed < 100; passed += 1) {
    t.equal(cache.get('a'), 1)
    clock.advance(1)
  }
  t.equal(cache.get('a'), undefined)
  cache.set('a', 2)
  t.equal(cache.get('a'), 2)
})

t.test('a value is as old as the question it answers', async (t) => {
  const clock = manualClock()
  const cache = createExpiringCache<string, number>({ max: 10, ttlMs: 100, clock })
  const asked = clock.monotonic()
  clock.advance(99)
  cache.set('a', 1, asked)
  t.equal(cache.get('a'), 1)
  clock.advance(1)
  t.equal(cache.get('a'), undefined)
})

t.test('it stays bounded', async (t) => {
  const cache = createExpiringCache<string, number>({ max: 2, ttlMs: 100, clock: manualClock() })
  for (const [index, key] of ['a', 'b', 'c'].entries()) cache.set(key, index)
  t.equal(cache.get('a'), undefined)
  t.equal(cache.get('c'), 2)
})
