import fc from 'fast-check'
import t from 'tap'
import { find, PseudonymMap, PseudonymSet } from '../../../services/access/state/pseudonym-lookup.ts'
import type { Pseudonym } from '../../../services/audit/vault.ts'
import { record } from '../../support/clinic-fold.ts'

const key = fc.oneof(
  fc.nat(40).map((number) => record('imaging', `${number}`)),
  fc.string({ maxLength: 6 }).map((text) => text as Pseudonym),
)

t.test('it finds what any map would, whatever was set, replaced, deleted or cleared before', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key, value: fc.nat() }),
    fc.record({ kind: fc.constant('delete' as const), key }),
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('clear' as const, 'nothing' as const), key }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.array(key, { maxLength: 30 }), (steps, asked) => {
      const quick = new PseudonymMap<number>()
      const plain = new Map<Pseudonym, number>()
      const keys = new PseudonymSet()
      for (const one of steps) {
        if (one.kind === 'set') {
          quick.set(one.key, one.value)
          plain.set(one.key, one.value)
          keys.add(one.key)
        } else if (one.kind === 'delete') {
          if (quick.delete(one.key) !== plain.delete(one.key)) return false
          keys.delete(one.key)
        } else if (one.kind === 'clear') {
          quick.clear()
          plain.clear()
          keys.clear()
        }
      }
      const all = [...asked, ...steps.map((one) => one.key)]
      return (
        quick.size === plain.size &&
        all.every((one) => find(quick, one) === plain.get(one) && find(plain, one) === plain.get(one) && keys.holds(one) === plain.has(one))
      )
    }),
    { numRuns: 500 },
  )
})

t.test('it finds everything after it has grown, and seldom looks for what it does not hold', async (t) => {
  const size = 20_000
  const map = new PseudonymMap<number>()
  for (let number = 0; number < size; number += 1) map.set(record('imaging', `${number}`), number)
  let looked = 0
  map.get = (one) => {
    looked += 1
    return Map.prototype.get.call(map, one) as number | undefined
  }
  for (let number = 0; number < size; number += 1) {
    if (map.find(record('imaging', `${number}`)) !== number) t.fail(`${number} is not found`)
  }
  t.equal(looked, size)
  looked = 0
  for (let number = 0; number < size; number += 1) {
    if (map.find(record('invoice', `${number}`)) !== undefined) t.fail(`${number} is found`)
  }
  t.ok(looked < size / 4, `${looked} of ${size} looked`)
})
