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
  `${a}.exists(x, ${b}.exists(y, x.code == y.code))`,
  `subject.roles.exists(role, role in ${a})`,
  `size(${a}.filter(x, x == "a").map(x, x + "b")) == 1`,
  '[1, 2, 3].all(x, [1, 2, 3].all(y, [1, 2, 3].all(z, x + y + z < 10)))',
]

const unaffordable = [
  `${a}.exists(x, ${b}.exists(y, ${c}.exists(z, x == y && y == z)))`,
  `${a}.exists(x, x.exists(y, y.exists(z, z == 1)))`,
  `subject.roles.all(x, subject.roles.all(y, subject.roles.all(z, x == y || y == z)))`,
  `${a}.all(x, ${b}.all(y, x in ${c}))`,
  `${a}.map(x, ${b}.map(y, [x, y])).all(pairs, pairs.all(pair, pair[0] == pair[1]))`,
  `(${a} + ${a} + ${a} + ${a} + ${a} + ${a}).all(x, (${b} + ${b} + ${b}).all(y, x == y))`,
]

t.test('loops over what is stated are allowed as long as the worst case stays affordable', async (t) => {
  for (const source of affordable) t.equal(compileCondition(source).kind, 'condition', `${source}: ${costOf(source)}`)
  for (const source of unaffordable) {
    const estimate = costOf(source)
    t.ok(estimate > conditionLimits.cost, source)
    const message = `it may cost ${Math.ceil(estimate).toLocaleString('en-US')} units, more than 5,000,000; use fewer loops`
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
  for (const source of [
    'subject.roles.all(x, subject.roles.exists(y, x == y))',
    'subject.roles.filter(x, x in subject.roles).size() == 256',
    '("none" in subject.roles) == false',
    'subject.roles.map(x, subject.roles.exists_one(y, x == y)).all(z, z)',
    'subject.roles == subject.roles.map(x, x)',
  ]) {
    const { list, reads } = counted(Array.from({ length: conditionLimits.roles }, (_, index) => `role-${index}`))
    const condition = compiled(source)
    const facts = conditionFacts()
    t.equal(condition.evaluate({ ...facts, subject: { ...facts.subject, roles: list } }), true, source)
    t.ok(reads() > 0 && reads() <= costOf(source), `${reads()} reads of at most ${costOf(source)}: ${source}`)
  }
})
