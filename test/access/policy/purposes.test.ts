import t from 'tap'
import { coveredBy, covers, isPurpose, purposes } from '../../../services/access/policy/purposes.ts'

t.test('there are the 59 codes of R4', async (t) => {
  t.equal(purposes.length, 59)
  t.equal(new Set(purposes).size, 59)
  for (const code of purposes) t.ok(isPurpose(code))
  for (const code of ['', 'treat', 'PurposeOfUse', 'constructor', '__proto__']) t.notOk(isPurpose(code), code)
})

t.test('a purpose covers itself and those below it, however deep', async (t) => {
  for (const code of purposes) t.ok(covers(code, code), code)
  t.ok(covers('TREAT', 'COC'))
  t.ok(covers('TREAT', 'ERTREAT'))
  t.ok(covers('HPAYMT', 'ELIGVER'))
  t.ok(covers('HRESCH', 'PRECLINTRCH'))
  t.ok(covers('HOPERAT', 'HTEST'))
  t.notOk(covers('COC', 'TREAT'), 'nothing covers what is above it')
  t.notOk(covers('TREAT', 'HPAYMT'))
  t.notOk(covers('COVERAGE', 'CLMATTCH'), 'nor what is beside it')
})

t.test('break-the-glass is covered only when named', async (t) => {
  t.ok(covers('BTG', 'BTG'))
  for (const code of purposes.filter((purpose) => purpose !== 'BTG')) t.notOk(covers(code, 'BTG'), code)
  t.notOk(coveredBy(['TREAT', 'ETREAT']).has('BTG'))
  t.ok(coveredBy(['TREAT', 'BTG']).has('BTG'))
})

t.test('an unknown code covers nothing and is covered by nothing', async (t) => {
  t.notOk(covers('NONSENSE', 'NONSENSE'))
  t.notOk(covers('TREAT', 'NONSENSE'))
  t.notOk(covers('NONSENSE', 'TREAT'))
  t.equal(coveredBy([]).size, 0)
})

t.test('the tree has the sizes of the reference', async (t) => {
  const sizes = ['TREAT', 'HPAYMT', 'HOPERAT', 'PATRQT', 'PUBHLTH', 'HRESCH', 'HMARKT'].map((top) => coveredBy([top]).size)
  t.same(sizes, [6, 9, 26, 4, 3, 9, 1])
  t.equal(sizes.reduce((sum, size) => sum + size) + 1, 59, 'BTG apart')
})
