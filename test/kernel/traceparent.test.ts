import t from 'tap'
import { parseTraceparent } from '../../services/kernel/traceparent.ts'

const good = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

t.test('a W3C traceparent is taken, a malformed one ignored', async (t) => {
  t.equal(parseTraceparent(good), good)
  t.equal(parseTraceparent(`cc${good.slice(2)}-what-comes-later`), `cc${good.slice(2)}`, 'of a later version the known parts')
  const bad = [
    undefined,
    7,
    '',
    `${good}-more`,
    `ff${good.slice(2)}`,
    good.toUpperCase(),
    good.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
    good.replace('00f067aa0ba902b7', '0'.repeat(16)),
    good.slice(0, -1),
    ` ${good}`,
    `cc${good.slice(2)}-${'x'.repeat(300)}`,
  ]
  for (const header of bad) t.equal(parseTraceparent(header), undefined, String(header))
})
