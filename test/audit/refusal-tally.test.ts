import fc from 'fast-check'
import t from 'tap'
import { addTo, emptyTally, kindOf, merged, summaryParts, type Tally, withoutDetails } from '../../services/audit/refusal-tally.ts'
import { canonicalJson, type JsonValue } from '../../services/kernel/canonical-json.ts'
import type { Refusal } from '../../services/kernel/refusal.ts'

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom('other', '(other)', '(malformed)', '(unwritten)', '\u0001'.repeat(128), '😀'.repeat(100), '\ud83d', '"\\'.repeat(64), ''),
)
const refusals = fc.array(
  fc.record(
    {
      reason: fc.constantFrom<Refusal['reason']>('TOKEN_MISSING', 'TOKEN_REFUSED', 'TOKEN_EXPIRED', 'CLINIC_NOT_ALLOWED', 'SCOPE_MISSING'),
      caller: text,
      clinic: fc.oneof(text, fc.stringMatching(/^[a-z0-9-]{1,64}$/)),
      address: text,
    },
    { requiredKeys: ['reason', 'address'] },
  ) as fc.Arbitrary<Refusal>,
  { maxLength: 300, size: 'max' },
)

interface Row {
  readonly reason: string
  readonly caller: string
  readonly clinic: string
  readonly address: string
  readonly count: number
}
const rowsOf = (tally: Tally): readonly Row[] => summaryParts(tally, 32_768).flat() as unknown as Row[]
const total = (rows: readonly Row[]): number => rows.reduce((sum, { count }) => sum + count, 0)
const tallyOf = (all: readonly Refusal[], since = 0): Tally => {
  const tally = emptyTally(since)
  for (const refusal of all) addTo(tally, kindOf(refusal))
  return tally
}

t.test('whatever strangers send, nothing is lost from the count and a summary stays small and printable', async () => {
  fc.assert(
    fc.property(refusals, (all) => {
      const tally = tallyOf(all)
      const rows = rowsOf(tally)
      return (
        total(rows) === all.length &&
        rows.length <= 105 &&
        rows.every(({ caller, address }) => [caller, address].every((shown) => /^[ !#-[\]-~]{0,128}$/.test(shown))) &&
        rows.every(({ clinic }) => /^(?:[a-z0-9-]{0,63}|\(malformed\)|\(other\))$/.test(clinic))
      )
    }),
    { numRuns: 300 },
  )
})

t.test('whatever strangers send, each part holds at most the bytes allowed, and the parts together everything', async () => {
  fc.assert(
    fc.property(refusals, fc.integer({ min: 600, max: 40_000 }), (all, maxBytes) => {
      const parts = summaryParts(tallyOf(all), maxBytes) as unknown as readonly (readonly Row[])[]
      return (
        total(parts.flat()) === all.length &&
        parts.every((part) => Buffer.byteLength(canonicalJson(part as unknown as JsonValue), 'utf8') <= maxBytes + 2)
      )
    }),
    { numRuns: 200 },
  )
})

t.test('merging two tallies and leaving out the details keep the numbers', async () => {
  fc.assert(
    fc.property(refusals, refusals, (left, right) => {
      const sum = merged(tallyOf(left, 5), tallyOf(right, 3))
      const bare = withoutDetails(sum)
      return sum.since === 3 && total(rowsOf(sum)) === left.length + right.length && total(rowsOf(bare)) === left.length + right.length
    }),
    { numRuns: 100 },
  )
})

const many = (count: number, given: Partial<Refusal> = {}): readonly Refusal[] =>
  Array.from({ length: count }, (_, index) => ({
    reason: 'CLINIC_NOT_ALLOWED',
    caller: 'c',
    clinic: `clinic-${index}`,
    address: '::1',
    ...given,
  }))

t.test('what is of too many kinds is counted under one fixed kind for its reason', async (t) => {
  const rows = rowsOf(tallyOf([...many(150), ...many(20, { reason: 'TOKEN_EXPIRED' })]))
  t.same(
    rows.filter(({ clinic }) => clinic === '(other)'),
    [
      { reason: 'CLINIC_NOT_ALLOWED', caller: '', clinic: '(other)', address: '', count: 50 },
      { reason: 'TOKEN_EXPIRED', caller: '', clinic: '(other)', address: '', count: 20 },
    ],
  )
  t.equal(rows.length, 102)
})

t.test('no caller gets round the limit by its name', async (t) => {
  for (const caller of ['other', '(other)', '']) t.equal(rowsOf(tallyOf(many(500, { caller, address: '' }))).length, 101, caller)
  t.equal(rowsOf(tallyOf(many(5, { caller: 'other', clinic: '(other)' })))[0]?.clinic, '(malformed)')
})

t.test('a clinic stands as named only if it can be one', async (t) => {
  const shown = (clinic: string) => kindOf({ reason: 'SCOPE_MISSING', clinic, address: '' }).clinic
  for (const clinic of ['a', 'north', 'north-2', 'x'.repeat(63), '']) t.equal(shown(clinic), clinic)
  for (const clinic of ['_system', 'North', 'a b', '-a', 'a-', 'x'.repeat(64), 'é', '\u0001', '(malformed)'])
    t.equal(shown(clinic), '(malformed)')
})

t.test('callers with different names are not taken for each other', async (t) => {
  const shown = (caller: string) => kindOf({ reason: 'SCOPE_MISSING', caller, address: '' }).caller
  t.equal(shown('auth0|anna@example.org'), 'auth0|anna@example.org')
  t.equal(shown('josé "x" 100%\n'), 'jos%C3%A9 %22x%22 100%25%0A')
  t.equal(shown('\ud83d'), '%EF%BF%BD')
})
