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
    'resource.properties.tags.exists(role, role == "imaging")',
    'resource.properties.tags.filter(role, resource.properties.tags.exists(other, other == role)).size() == 2',
    'resource.properties.tags.map(role, role != "x", [role]).all(list, list.size() == 1)',
    'resource.properties.tags.all(role, bool(role))',
    'true ? resource.properties.tags.exists(role, role in ["imaging"]) : has(resource.properties.a)',
  ]) {
    const condition = compiled(source)
    const held: WeakRef<object>[] = []
    const evaluate = () => {
      const facts = conditionFacts({ resource: { a: { b: 1 }, tags: ['dentist', 'imaging'] } })
      held.push(new WeakRef(facts), new WeakRef(facts.resource.properties), new WeakRef(facts.resource.properties['tags'] as string[]))
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
