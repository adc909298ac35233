import fc from 'fast-check'
import t from 'tap'
import { createLedgerClock } from '../../services/audit/ledger-clock.ts'
import { manualClock } from '../support/manual-clock.ts'

t.test('until something is learnt it is the wall clock', async (t) => {
  const clock = manualClock(1_000.9, 5)
  const ledgerClock = createLedgerClock({ clock })
  t.equal(ledgerClock.now(), 1_000)
  t.equal(ledgerClock.skew(), 0)
})

t.test("it runs on from what was learnt by the monotonic clock, whatever is done to the machine's", async (t) => {
  let [wall, monotonic] = [1_000, 50]
  const ledgerClock = createLedgerClock({ clock: { wall: () => wall, monotonic: () => monotonic } })
  ledgerClock.learn(7_000, 50)
  monotonic = 150
  t.equal(ledgerClock.now(), 7_100)
  wall = 9_000
  t.equal(ledgerClock.now(), 7_100)
  t.equal(ledgerClock.skew(), -1_900)
})

t.test("what was learnt last counts, so a ledger's clock that was set back is followed", async (t) => {
  const clock = manualClock()
  const ledgerClock = createLedgerClock({ clock })
  ledgerClock.learn(90_000, clock.monotonic())
  ledgerClock.learn(10_000, clock.monotonic())
  t.equal(ledgerClock.now(), 10_000)
})

t.test('however long the answers take, it is never ahead of the ledger and never further behind than the last answer took', async (t) => {
  const answers = fc.array(fc.record({ pause: fc.nat({ max: 5_000 }), way: fc.nat({ max: 300 }) }), { minLength: 1, maxLength: 20 })
  const property = fc.property(answers, fc.nat({ max: 10 ** 12 }), (readings, epoch) => {
    const clock = manualClock(0, 0)
    const ledgerNow = () => epoch + clock.monotonic()
    const ledgerClock = createLedgerClock({ clock })
    for (const { pause, way } of readings) {
      clock.advance(pause)
      const stamped = ledgerNow()
      clock.advance(way)
      ledgerClock.learn(stamped, clock.monotonic())
      const behind = ledgerNow() - ledgerClock.now()
      if (behind < 0 || behind > way) return false
    }
    return true
  })
  t.equal(fc.check(property).failed, false)
})
