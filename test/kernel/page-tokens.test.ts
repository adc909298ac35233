import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '../../services/kernel/canonical-json.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { createPageTokens } from '../../services/kernel/page-tokens.ts'
import { fault } from '../support/fault.ts'

const key = Buffer.alloc(32, 7)
const query = { query: 'access_history', clinic: 'north', caller: 'app', person: null, filter: { kinds: ['refused'] } }
const cursor = { at: '1', revision: '2', through: '3' }

const clockAt = (time: number) => ({ wall: () => time, monotonic: () => 0 })
const tokensAt = (time: number, secret: Uint8Array = key) =>
  createPageTokens({ key: secret, clock: clockAt(time), randomness: systemRandomness })
const tokens = tokensAt(1_000)

t.test('a token gives back its cursor to its own query, on any replica with the key', async (t) => {
  const token = tokens.issue(query, cursor)
  t.same(tokensAt(2_000).read(query, token), cursor)
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
  t.throws(() => tokensAt(1_000, Buffer.alloc(32, 8)).read(query, token), fault('PAGE_TOKEN_INVALID'))
  t.same(tokensAt(3_600_999).read(query, token), cursor)
  t.throws(() => tokensAt(3_601_000).read(query, token), fault('PAGE_TOKEN_INVALID'))
})

t.test('a token shows nothing of its cursor, and no two are the same', async (t) => {
  const pseudonym = 'sub_9f86d081884c7d659a2feaa0c55ad015'
  const [one, other] = [tokens.issue(query, { ...cursor, patient: pseudonym }), tokens.issue(query, { ...cursor, patient: pseudonym })]
  t.not(one, other)
  t.notMatch(Buffer.from(one, 'base64url').toString('latin1'), pseudonym)
  const signed = `${Buffer.from(JSON.stringify({ cursor: { patient: pseudonym } })).toString('base64url')}.${'A'.repeat(43)}`
  const [payload = ''] = signed.split('.')
  t.match(Buffer.from(payload, 'base64url').toString('latin1'), pseudonym, 'twin: one that is only signed does')
})

t.test('a token of the former, signed format is refused', async (t) => {
  const payload = Buffer.from(canonicalJson({ cursor, expires: 1_000_000 })).toString('base64url')
  const tag = createHmac('sha256', key)
    .update('chartwarden page token v1\n')
    .update(createHash('sha256').update(canonicalJson(query)).digest())
    .update(payload)
    .digest('base64url')
  t.throws(() => tokens.read(query, `${payload}.${tag}`), fault('PAGE_TOKEN_INVALID'))
})

t.test('a short key is refused', async (t) => {
  t.throws(() => tokensAt(0, Buffer.alloc(31)), RangeError)
})
