import t from 'tap'
import { matchFaults } from '../../scripts/match-rules.ts'

const faultsOf = (text: string): readonly string[] => matchFaults('test/a.test.ts', text)
const fault = (line: number) => `test/a.test.ts:${line}: [] matches every array; write { length: 0 }`

t.test('an empty array in a pattern is named, however deep it is, since it matches whatever is found there', async (t) => {
  const vain = { faults: [] }
  t.match({ faults: ['one'] }, vain, 'else there would be nothing to find')
  t.same(faultsOf('t.match(found, [])'), [fault(1)])
  t.same(faultsOf('t.match(found, {\n  size: 3n,\n  faults: [],\n}, "all is well")'), [fault(3)])
  t.same(faultsOf('t.match(found, { own: [{ faults: [] }], other: [] })'), [fault(1), fault(1)])
})

t.test('an empty array elsewhere is none of it', async (t) => {
  t.same(faultsOf('t.match(found([]), { faults: { length: 0 } })'), [])
  t.same(faultsOf('t.match(found, only([]))'), [])
  t.same(faultsOf('t.same(found, { faults: [] })'), [])
  t.same(faultsOf('text.match(/a/) ?? []'), [])
})
