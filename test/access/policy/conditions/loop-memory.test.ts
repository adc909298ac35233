import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { compiled, conditionFacts } from '../../../support/condition-facts.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

t.test('a compiled condition lets go of the facts it was evaluated on', async (t) => {
  for (const source of [
    'resource.properties.a.b == 1',
    'subject.roles.exists(role, role == "imaging")',
    'subject.roles.filter(role, subject.roles.exists(other, other == role)).size() == 2',
    'subject.roles.map(role, role != "x", [role]).all(list, list.size() == 1)',
    'subject.roles.all(role, bool(role))',
    'true ? subject.roles.exists(role, role in ["imaging"]) : has(resource.properties.a)',
  ]) {
    const condition = compiled(source)
    const held: WeakRef<object>[] = []
    const evaluate = () => {
      const facts = conditionFacts({ roles: ['dentist', 'imaging'], resource: { a: { b: 1 } } })
      held.push(new WeakRef(facts), new WeakRef(facts.subject.roles), new WeakRef(facts.resource.properties))
      condition.evaluate(facts)
    }
    evaluate()
    await setImmediate()
    collectGarbage()
    t.strictSame(
      held.map((reference) => reference.deref()),
      [undefined, undefined, undefined],
      source,
    )
    t.equal(condition.source, source, 'while the condition itself is kept')
  }
})
