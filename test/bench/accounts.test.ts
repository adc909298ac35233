import t from 'tap'
import { accountFaults, type Growth } from '../../bench/measure/accounts.ts'

const growth = (change: Partial<Growth> = {}): Growth => ({ permits: 3, denials: 0, identities: 0, others: [], ...change })
const faultsOf = (answered: number, grown: Growth | undefined): readonly string[] =>
  accountFaults(new Map([['north', answered]]), new Map(grown === undefined ? [] : [['north', grown]]))

t.test('ledgers that grew by the permits answered have no fault, whoever was introduced meanwhile', (t) => {
  t.same(faultsOf(3, growth()), [])
  t.same(faultsOf(3, growth({ identities: 2 })), [])
  t.same(accountFaults(new Map(), new Map()), [])
  t.end()
})

t.test('an answer without an entry is a fault, and so is an entry without an answer', (t) => {
  t.same(faultsOf(4, growth()), ['north: 4 permits were answered and 3 were recorded'])
  t.same(faultsOf(2, growth()), ['north: 2 permits were answered and 3 were recorded'])
  t.same(faultsOf(1, undefined), ['north: 1 permits were answered and 0 were recorded'])
  t.same(accountFaults(new Map(), new Map([['south', growth({ permits: 1 })]])), ['south: 0 permits were answered and 1 were recorded'])
  t.end()
})

t.test('a deny counts as no permit, and entries of any other type are a fault', (t) => {
  t.same(faultsOf(3, growth({ permits: 2, denials: 1 })), [
    'north: 3 permits were answered and 2 were recorded',
    'north: 1 denials were recorded',
  ])
  t.same(faultsOf(3, growth({ others: ['chartwarden.calls.refused.v1'] })), [
    'north: entries of chartwarden.calls.refused.v1 were recorded',
  ])
  t.end()
})
