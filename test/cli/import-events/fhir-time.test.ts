import fc from 'fast-check'
import t from 'tap'
import { isDateTime, parseInstant } from '../../../cli/import-events/fhir-time.ts'

t.test('an instant is the same moment whatever its offset, over changes of the clock too', async (t) => {
  t.equal(parseInstant('2025-10-26T02:30:00+02:00'), Date.parse('2025-10-26T00:30:00Z'))
  t.equal(parseInstant('2025-10-26T02:30:00+01:00'), Date.parse('2025-10-26T01:30:00Z'), 'the second half past two of that night')
  t.equal(
    parseInstant('2025-03-30T02:30:00+01:00'),
    Date.parse('2025-03-30T01:30:00Z'),
    'a time that no clock showed is a moment all the same',
  )
  t.equal(parseInstant('2016-12-31T23:59:60Z'), Date.parse('2017-01-01T00:00:00Z'), 'a leap second')
  t.equal(parseInstant('2026-03-02T09:30:00.1234567Z'), Date.parse('2026-03-02T09:30:00.123Z'))
  t.equal(parseInstant('2026-03-02T09:30:00.5Z'), Date.parse('2026-03-02T09:30:00.500Z'))
})

t.test('every instant that JavaScript writes is read back', async () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
      (date) => parseInstant(date.toISOString()) === date.getTime(),
    ),
  )
})

t.test('what is no instant is none', async (t) => {
  for (const text of [
    ...['2026-02-29T00:00:00Z', '2025-13-01T00:00:00Z', '2025-00-01T00:00:00Z', '2025-01-00T00:00:00Z', '0000-01-01T00:00:00Z'],
    ...['2025-01-01T24:00:00Z', '2025-01-01T00:60:00Z', '2025-01-01T00:00:61Z', '2025-01-01T00:00:00', '2025-01-01T00:00Z', '2025-01-01'],
    ...[
      '2025-01-01T00:00:00+14:01',
      '2025-01-01T00:00:00+01:60',
      '2025-01-01t00:00:00z',
      ' 2025-01-01T00:00:00Z',
      '',
      '٢٠٢٥-01-01T00:00:00Z',
    ],
  ]) {
    t.equal(parseInstant(text), undefined, text)
  }
})

t.test('a dateTime may be a day, a month or a year', async (t) => {
  for (const text of ['2024', '2024-02', '2024-02-29', '2024-02-29T00:00:00Z']) t.ok(isDateTime(text), text)
  for (const text of ['2025-02-29', '2025-1', '25', '2024-02-29T00:00:00']) t.notOk(isDateTime(text), text)
})
