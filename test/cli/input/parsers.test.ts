import { timestampMs } from '@bufbuild/protobuf/wkt'
import t from 'tap'
import { parseCount, parseList, parseRevision, parseScopes, parseTime, parseTypedId, parseUuid } from '../../../cli/input/parsers.ts'

t.test('a person or record is type:id, and the identifier may hold colons', async (t) => {
  t.strictSame(parseTypedId('staff:d-1'), { type: 'staff', id: 'd-1' })
  t.strictSame(parseTypedId('patients/demo:urn:oid:1.2'), { type: 'patients/demo', id: 'urn:oid:1.2' })
})

t.test('what is not type:id is refused', async (t) => {
  for (const text of ['', 'staff', ':d-1', 'staff:', `${'t'.repeat(65)}:x`, `staff:${'x'.repeat(257)}`]) {
    t.throws(() => parseTypedId(text), /type:id/, text.slice(0, 20))
  }
})

t.test('a moment needs its offset', async (t) => {
  t.equal(timestampMs(parseTime('2026-03-31T17:00:00+02:00')), Date.UTC(2026, 2, 31, 15))
  t.equal(timestampMs(parseTime('2026-03-31T17:00Z')), Date.UTC(2026, 2, 31, 17))
  t.equal(timestampMs(parseTime('2026-03-31t17:00:00.125z')), Date.UTC(2026, 2, 31, 17, 0, 0, 125))
  for (const text of ['', 'now', '2026-03-31', '2026-03-31T17:00:00', '31.03.2026 17:00', '1774976400', '2026-3-31T17:00Z']) {
    t.throws(() => parseTime(text), /offset/, text)
  }
})

t.test('a date or hour that does not exist is refused instead of shifted', async (t) => {
  for (const text of [
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T25:00:00Z',
    '2026-01-01T00:61:00Z',
    '2025-02-29T00:00:00Z',
  ]) {
    t.throws(() => parseTime(text), { message: /.+/ }, text)
  }
  t.equal(timestampMs(parseTime('2028-02-29T00:00:00Z')), Date.UTC(2028, 1, 29))
})

t.test('numbers are whole and within their limits', async (t) => {
  t.equal(parseRevision('0'), 0n)
  t.equal(parseRevision('123456789012345678'), 123456789012345678n)
  for (const text of ['', '-1', '1.5', '1e3', '0x10', ' 1', '1'.repeat(19)]) t.throws(() => parseRevision(text), { message: /.+/ }, text)
  t.equal(parseCount(10)('10'), 10)
  for (const text of ['0', '11', '1.5', 'ten', '']) t.throws(() => parseCount(10)(text), { message: /.+/ }, text)
})

t.test('lists refuse empty parts', async (t) => {
  t.strictSame(parseList('a, b,c'), ['a', 'b', 'c'])
  for (const text of ['', ',', 'a,', 'a,,b']) t.throws(() => parseList(text), { message: /.+/ }, text)
})

t.test('only scopes that exist are taken', async (t) => {
  t.strictSame(parseScopes(' access.check  act,report.read '), ['access.check', 'act', 'report.read'])
  t.throws(() => parseScopes('access.everything'), /access\.everything/)
  t.throws(() => parseScopes('toString'), /toString/)
  t.throws(() => parseScopes('  '))
})

t.test('a request id is a UUID and becomes lower case', async (t) => {
  t.equal(parseUuid('5BBC39A8-bba0-5fc0-b177-5f279cf73ff9'), '5bbc39a8-bba0-5fc0-b177-5f279cf73ff9')
  for (const text of ['', '5bbc39a8', '5bbc39a8bba05fc0b1775f279cf73ff9', 'g'.repeat(36)])
    t.throws(() => parseUuid(text), { message: /.+/ }, text)
})
