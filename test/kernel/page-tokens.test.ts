import fc from 'fast-check'
import t from 'tap'
import { createPageTokens } from '../../services/kernel/page-tokens.ts'
import { fault } from '../support/fault.ts'

const key = Buffer.alloc(32, 7)
const query = { query: 'access_history', clinic: 'north', caller: 'app', person: null, filter: { kinds: ['refused'] } }
const cursor = { at: '1', revision: '2', through: '3' }

const clockAt = (time: number) => ({ wall: () => time, monotonic: () => 0 })
const tokens = createPageTokens({ key, clock: clockAt(1_000) })

t.test('a token gives back its cursor to its own query, on any replica with the key', async (t) => {
  const token = tokens.issue(query, cursor)
  t.same(createPageTokens({ key, clock: clockAt(2_000) }).read(query, token), cursor)
})

t.test('a token is of one query: clinic, caller, person and filter', async (t) => {
  const token = tokens.issue(query, cursor)
  const others = [
    { ...query, clinic: 'south' },
    { ...query, caller: 'other' },
    { ...query, person: { type: 'staff', id: 'anna' } },
    { ...query, filter: { kinds: ['refused', 'probed'] } },
    { ...query, query: 'offboardings' },
  ]
  for (const other of others) t.throws(() => tokens.read(other, token), fault('PAGE_TOKEN_INVALID'))
})

t.test('a token changed anywhere is refused', async (t) => {
  const token = tokens.issue(query, cursor)
  fc.assert(
    fc.property(fc.nat({ max: token.length - 1 }), fc.constantFrom(...'AZaz09-_.='), (place, letter) => {
      fc.pre(token[place] !== letter)
      const changed = token.slice(0, place) + letter + token.slice(place + 1)
      try {
        tokens.read(query, changed)
        return false
      } catch (error) {
        return (error as { reason?: string }).reason === 'PAGE_TOKEN_INVALID'
      }
    }),
    { numRuns: 500 },
  )
  for (const wrong of ['x', '.', 'a.b.c', `${token}.`, `${token} `, `.${token}`, token.slice(0, -1), 'a'.repeat(100_000)]) {
    t.throws(() => tokens.read(query, wrong), fault('PAGE_TOKEN_INVALID'))
  }
})

t.test('a token of another key, or older than an hour, is refused', async (t) => {
  const token = tokens.issue(query, cursor)
  t.throws(() => createPageTokens({ key: Buffer.alloc(32, 8), clock: clockAt(1_000) }).read(query, token), fault('PAGE_TOKEN_INVALID'))
  t.same(createPageTokens({ key, clock: clockAt(3_600_999) }).read(query, token), cursor)
  t.throws(() => createPageTokens({ key, clock: clockAt(3_601_000) }).read(query, token), fault('PAGE_TOKEN_INVALID'))
})

t.test('a short key is refused', async (t) => {
  t.throws(() => createPageTokens({ key: Buffer.alloc(31), clock: clockAt(0) }), RangeError)
})
