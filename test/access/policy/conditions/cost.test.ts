import { Environment } from '@marcbachmann/cel-js'
import t from 'tap'
import { compileCondition } from '../../../../services/access/policy/conditions/compile.ts'
import { conditionLimits } from '../../../../services/access/policy/conditions/limits.ts'
import { translate } from '../../../../services/access/policy/conditions/translate.ts'
import { compiled, conditionFacts } from '../../../support/condition-facts.ts'

const parser = new Environment()

const costOf = (source: string): number => {
  const translated = translate(parser.parse(source).ast)
  if (translated.kind === 'fault') throw new Error(translated.fault.message)
  return translated.translation.cost
}

const a = 'resource.properties.a'
const b = 'resource.properties.b'
const c = 'resource.properties.c'

const affordable = [
  `${a} == "x" && ${b} in ["x", "y"]`,
  `${a}.exists(x, x in ${b})`,
  `${a}.exists(x, ${b}.exists(y, x == y))`,
  `${a}.exists(x, x.code in ${b})`,
  `${a}.all(x, ${b}.all(y, x != "q"))`,
  `size(${a}.filter(x, x == "a").map(x, x + "b")) == 1`,
  '[1, 2, 3].all(x, [1, 2, 3].all(y, [1, 2, 3].all(z, x + y + z < 10)))',
]

const unaffordable = [
  `${a}.exists(x, ${b}.exists(y, ${c}.exists(z, x == y && y == z)))`,
  `${a}.exists(x, x.exists(y, y.exists(z, z == 1)))`,
  // Each comparison may err, and be forgiven, for every pair.
  `${a}.exists(x, ${b}.exists(y, x.code == y.code))`,
  `${a}.all(x, ${b}.all(y, x in ${c}))`,
  `${a}.map(x, ${b}.map(y, [x, y])).all(pairs, pairs.all(pair, pair[0] == pair[1]))`,
  `(${a} + ${a} + ${a} + ${a} + ${a} + ${a}).all(x, (${b} + ${b} + ${b}).all(y, x == y))`,
]

t.test('loops over what is stated are allowed as long as the worst case stays affordable', async (t) => {
  for (const source of affordable) t.equal(compileCondition(source).kind, 'condition', `${source}: ${costOf(source)}`)
  for (const source of unaffordable) {
    const estimate = costOf(source)
    t.ok(estimate > conditionLimits.cost, source)
    const message = `it may cost ${Math.ceil(estimate).toLocaleString('en-US')} units, more than 500,000; use fewer loops`
    t.match(compileCondition(source), { kind: 'invalid', message, line: 1, column: 1 }, source)
  }
})

t.test('the estimate grows with what is read, not with what the text looks like', async (t) => {
  t.ok(costOf('[1, 2].all(x, x > 0)') < costOf('[1, 2, 3, 4].all(x, x > 0)'))
  t.ok(costOf('[1, 2].all(x, x > 0)') < costOf(`${a}.all(x, x > 0)`))
  t.ok(costOf(`${a} == "x"`) < costOf(`${a} == ${b}`), 'a short text bounds a comparison')
  t.ok(costOf(`"x" in ${a}`) < costOf(`${a} in ${b}`))
  t.ok(costOf(`true ? ${a} == "x" : true`) === costOf(`true ? true : ${a} == "x"`))
  t.equal(costOf('has(resource.properties.a)') < 100, true)
  t.ok(costOf(`${a}.all(x, x == 1)`) < costOf(`${a}.all(x, x < 1)`), 'an error for each element is counted')
  t.ok(costOf(`has(${a}) && resource.has_patient`) < costOf(`${a} == 1 && resource.has_patient`), 'so is one that is forgiven')
  t.equal(compiled(`${a} == "x"`).cost, Math.ceil(costOf(`${a} == "x"`)), 'and a condition knows it')
})

/** A list that counts how often an element of it is read. */
const counted = (elements: readonly string[]): { readonly list: readonly string[]; readonly reads: () => number } => {
  let reads = 0
  const list = new Proxy(elements, {
    get(target, name, receiver) {
      if (typeof name === 'string' && /^\d+$/.test(name)) reads += 1
      return Reflect.get(target, name, receiver)
    },
  })
  return { list, reads: () => reads }
}

t.test('no evaluation reads more than was estimated, not even on the largest values', async (t) => {
  const list = 'context.list'
  for (const source of [
    `${list}.all(x, ${list}.exists(y, x == y))`,
    `${list}.filter(x, x in ${list}).size() == 64`,
    `("none" in ${list}) == false`,
    `${list} == ${list}.map(x, x)`,
  ]) {
    const { list: read, reads } = counted(Array.from({ length: conditionLimits.attributeElements }, (_, index) => `role-${index}`))
    const facts = conditionFacts({ context: { list: [] } })
    // What was made ready is what loops run over.
    const ready = { values: new Map<object, unknown>([[facts.context['list'] as object, read]]) }
    t.equal(compiled(source).evaluate({ ...facts, ready }), true, source)
    t.ok(reads() > 0 && reads() <= costOf(source), `${reads()} reads of at most ${costOf(source)}: ${source}`)
  }
})

t.test('what is read of properties is made ready once for all conditions of a decision', async (t) => {
  const { list, reads } = counted(['a', 'b', 'c'])
  const facts = { ...conditionFacts({ resource: { list } }), ready: { values: undefined } }
  t.equal(compiled('"c" in resource.properties.list').evaluate(facts), true)
  const once = reads()
  t.ok(once > 0)
  t.equal(compiled('resource.properties.list[0] == "a"').evaluate(facts), true)
  t.equal(compiled('resource.properties.list.size() == 4').evaluate(facts), false)
  t.equal(reads(), once)
  const large = { ...conditionFacts({ resource: { list: Array.from({ length: 65 }, () => 1) } }), ready: { values: undefined } }
  for (let again = 0; again < 2; again += 1) {
    t.match(compiled('1 in resource.properties.list').evaluate(large), { error: /resource\.properties\.list is too large/ })
  }
})
