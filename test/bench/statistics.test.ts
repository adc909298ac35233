import fc from 'fast-check'
import t from 'tap'
import { measuredOf, percentile, spreadOf } from '../../bench/measure/statistics.ts'

t.test('a percentile is the least value that the share does not exceed', (t) => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
  t.equal(percentile(hundred, 0.5), 50)
  t.equal(percentile(hundred, 0.99), 99)
  t.equal(percentile(hundred, 1), 100)
  t.equal(percentile(hundred, 0), 1)
  t.equal(percentile([7], 0.99), 7)
  t.throws(() => percentile([], 0.5), RangeError)
  t.end()
})

t.test('of any values, a percentile has the share of them at or below it, and no smaller value has', (t) => {
  const values = fc.array(fc.integer(), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (unsorted, share) => {
      const sorted = unsorted.toSorted((left, right) => left - right)
      const found = percentile(sorted, share)
      const shareBelow = (limit: (value: number) => boolean): number => sorted.filter(limit).length / sorted.length
      return shareBelow((value) => value <= found) >= share - 1e-9 && shareBelow((value) => value < found) < share + 1e-9
    }),
  )
  t.end()
})

t.test('a spread has the middle value, or the mean of the middle two, between the lowest and the highest', (t) => {
  t.same(spreadOf([3, 1, 2]), { median: 2, lowest: 1, highest: 3 })
  t.same(spreadOf([4, 1, 2, 3]), { median: 2.5, lowest: 1, highest: 4 })
  t.throws(() => spreadOf([]), RangeError)
  t.end()
})

t.test('a rate counts items, and latencies count calls in any order', (t) => {
  t.same(measuredOf(500, 2, [3, 1, 2]), { perSecond: 250, p50Ms: 2, p99Ms: 3 })
  t.end()
})
