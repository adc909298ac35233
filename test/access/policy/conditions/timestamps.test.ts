import fc from 'fast-check'
import t from 'tap'
import { dayOfYear, parseDuration, parseTimestamp, zoneNamed } from '../../../../services/access/policy/conditions/timestamps.ts'

t.test('a timestamp is read as RFC 3339 says, or not at all', async (t) => {
  for (const [text, iso] of [
    ['2026-11-22T08:00:00Z', '2026-11-22T08:00:00.000Z'],
    ['2026-11-22t08:00:00z', '2026-11-22T08:00:00.000Z'],
    ['2026-11-22T08:00:00.123456789+01:30', '2026-11-22T06:30:00.123Z'],
    ['2024-02-29T00:00:00-00:00', '2024-02-29T00:00:00.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
  ] as const) {
    t.equal(parseTimestamp(text)?.toISOString(), iso, text)
  }
  for (const text of [
    '',
    '2026-11-22',
    '2026-11-22T08:00:00',
    '2026-11-22 08:00:00Z',
    '2026-11-22T08:00Z',
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T23:59:60Z',
    '2026-01-01T00:00:00+25:00',
    '0000-01-01T00:00:00Z',
    '22 November 2026 08:00:00 UTC',
    ` 2026-11-22T08:00:00Z`,
    `2026-11-22T08:00:00.${'1'.repeat(8_000)}Z`,
  ]) {
    t.equal(parseTimestamp(text), undefined, text.slice(0, 40))
  }
  fc.assert(
    fc.property(
      fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
      (date) => parseTimestamp(date.toISOString())?.getTime() === date.getTime(),
    ),
  )
  fc.assert(fc.property(fc.string(), (text) => parseTimestamp(text) === undefined || text.length >= 20))
})

t.test('a duration is a row of numbers with units, or nothing', async (t) => {
  for (const [text, milliseconds] of [
    ['24h', 86_400_000],
    ['2h45m', 9_900_000],
    ['-1.5h', -5_400_000],
    ['90s', 90_000],
    ['1m1ms', 60_001],
    ['1500us', 1.5],
    ['0.000000001s', 0.000001],
    ['0s', 0],
  ] as const) {
    t.equal(parseDuration(text)?.valueOf(), milliseconds, text)
  }
  for (const text of [
    '',
    '1',
    'h',
    '1 h',
    '1h ',
    '+1h',
    '1d',
    '1h-1m',
    '.5h',
    '1.h',
    '999999999h',
    `${'1'.repeat(2_000)}`,
    '1h'.repeat(1_000),
  ]) {
    t.equal(parseDuration(text), undefined, text.slice(0, 40))
  }
})

t.test('clocks of a time zone show what people there see, summer time and all', async (t) => {
  const berlin = zoneNamed('Europe/Berlin')
  for (const [utc, local] of [
    ['2026-11-22T10:30:15.250Z', '2026-11-22T11:30:15.250Z'],
    ['2026-07-01T23:30:00.000Z', '2026-07-02T01:30:00.000Z'],
    ['2026-03-29T00:59:59.999Z', '2026-03-29T01:59:59.999Z'],
    ['2026-03-29T01:00:00.000Z', '2026-03-29T03:00:00.000Z'],
    ['2026-10-25T00:59:59.000Z', '2026-10-25T02:59:59.000Z'],
    ['2026-10-25T01:00:00.000Z', '2026-10-25T02:00:00.000Z'],
    ['2026-12-31T23:00:00.000Z', '2027-01-01T00:00:00.000Z'],
  ] as const) {
    t.equal(berlin?.local(new Date(utc)).toISOString(), local, utc)
  }
  t.equal(zoneNamed('Asia/Kathmandu')?.local(new Date('2026-01-01T00:00:00Z')).toISOString(), '2026-01-01T05:45:00.000Z')
  t.equal(zoneNamed('UTC')?.local(new Date('0099-05-05T00:00:00Z')).toISOString(), '0099-05-05T00:00:00.000Z')
  for (const name of ['', 'Europe/Nowhere', 'local', '__proto__', 'Europe/Berlin; drop']) t.equal(zoneNamed(name), undefined, name)
})

t.test('days of a year are counted from 0', async (t) => {
  t.equal(dayOfYear(new Date('2026-01-01T23:59:59.999Z')), 0)
  t.equal(dayOfYear(new Date('2024-12-31T00:00:00Z')), 365)
  t.equal(dayOfYear(new Date('2025-12-31T12:00:00Z')), 364)
})
