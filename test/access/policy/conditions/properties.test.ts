/** What holds for every condition and all facts. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { ConditionFacts } from '../../../../services/access/policy/condition.ts'
import { compileCondition } from '../../../../services/access/policy/conditions/compile.ts'
import { compiled } from '../../../support/condition-facts.ts'

const keys = ['a', 'b', 'c', 'constructor', '__proto__', 'x-ray']

const json = fc.oneof(
  fc.jsonValue({ maxDepth: 5 }),
  fc.constantFrom(0, 1, 2.5, -1, 1e300, '', 'a', 'open', '2026-11-22T08:00:00Z', true, false, null),
  fc.array(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom('a', 'b')), { maxLength: 4 }),
)

/** Built with `Object.defineProperty`, as `JSON.parse` does it: `__proto__` is a name like any other. */
const properties: fc.Arbitrary<ConditionFacts['action']['properties']> = fc
  .array(fc.tuple(fc.constantFrom(...keys), json), { maxLength: 6 })
  .map((members) => {
    const object = {}
    for (const [name, value] of members) {
      Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
    }
    return object
  })

const facts: fc.Arbitrary<ConditionFacts> = fc.record({
  subject: fc.record({ type: fc.constantFrom('staff', 'organisation'), properties }),
  resource: fc.record({ type: fc.constantFrom('imaging', 'invoice'), has_patient: fc.boolean(), own_record: fc.boolean(), properties }),
  action: fc.record({ name: fc.constantFrom('read', 'update'), properties }),
  context: fc
    .tuple(properties, fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }))
    .map(([stated, time]) => ({ ...stated, time, caller: 'software', purpose: 'TREAT' }) as ConditionFacts['context']),
})

const attribute = fc
  .tuple(fc.constantFrom('subject.properties', 'resource.properties', 'action.properties', 'context'), fc.constantFrom(...keys))
  .map(([root, key]) => (/^\w+$/.test(key) ? `${root}.${key}` : `${root}["${key}"]`))

const { condition } = fc.letrec<{ condition: string; value: string; list: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    attribute,
    fc.constantFrom('1', '2.5', '"a"', 'true', 'null', 'subject.type', 'action.name', 'context.purpose', 'size(subject.type)', 'item'),
    fc.constantFrom('context.time', 'context.time.getHours("Europe/Berlin")', 'context.time - duration("90m")'),
    fc
      .tuple(tie('value'), fc.constantFrom('+', '-', '*', '%'), tie('value'))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    fc.tuple(fc.constantFrom('int', 'double', 'string', 'size', 'timestamp'), tie('value')).map(([name, value]) => `${name}(${value})`),
    fc.tuple(tie('condition'), tie('value'), tie('value')).map(([test, left, right]) => `(${test} ? ${left} : ${right})`),
    fc.tuple(tie('value'), fc.constantFrom('.a', '[0]', '.constructor', '[item]')).map(([value, step]) => `${value}${step}`),
  ),
  list: fc.oneof(
    { maxDepth: 2 },
    attribute,
    fc.constantFrom('[1, 2]', '["a", "b"]', '[]'),
    fc
      .tuple(tie('list'), fc.constantFrom('item', 'resource', 'context'), tie('condition'))
      .map(([list, name, test]) => `${list}.filter(${name}, ${test})`),
    fc.tuple(tie('list'), tie('value')).map(([list, value]) => `${list}.map(item, ${value})`),
  ),
  condition: fc.oneof(
    { maxDepth: 4 },
    fc.tuple(tie('value'), fc.constantFrom('==', '!=', '<', '<=', '>', '>='), tie('value')).map((parts) => parts.join(' ')),
    fc.tuple(tie('value'), tie('list')).map((parts) => parts.join(' in ')),
    fc
      .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    tie('condition').map((test) => `!(${test})`),
    attribute.map((path) => `has(${path})`),
    fc
      .tuple(tie('list'), fc.constantFrom('all', 'exists', 'exists_one'), fc.constantFrom('item', 'subject'), tie('condition'))
      .map(([list, loop, name, test]) => `${list}.${loop}(${name}, ${test})`),
  ),
}))

const fragments = fc.array(
  fc.constantFrom(
    ...[
      'subject',
      'resource',
      'context',
      '.properties',
      '.a',
      '["a"]',
      '[',
      ']',
      '(',
      ')',
      '{',
      '}',
      ',',
      ':',
      '?',
      '.',
      '==',
      '<',
      '&&',
      '||',
      '!',
      '-',
    ],
    ...[
      'in ',
      '1',
      '0x',
      '1e',
      '"',
      "'",
      '"""',
      'r"',
      'b"',
      '\\',
      '\n',
      '//',
      'has(',
      'all(x,',
      'exists(',
      'x',
      'duration("',
      'timestamp(',
      '99999999999999999999',
    ],
    ...['null', 'true', '__proto__', '\u2028', '\ud800', '\0', '😀', ' '],
  ),
  { maxLength: 40 },
)

t.test('compiling never throws, answers the same again, and points into the source in one line', async (t) => {
  let valid = 0
  fc.assert(
    fc.property(
      fc.oneof(
        condition,
        fragments.map((parts) => parts.join('')),
        fc.string({ unit: 'binary', maxLength: 60 }),
      ),
      (source) => {
        const first = compileCondition(source)
        const second = compileCondition(source)
        if (first.kind === 'condition') {
          valid += 1
          return second.kind === 'condition' && second.condition.attributes.join() === first.condition.attributes.join()
        }
        const lines = source.split('\n')
        return (
          second.kind === 'invalid' &&
          second.message === first.message &&
          !first.message.includes('\n') &&
          first.line >= 1 &&
          first.line <= lines.length &&
          first.column >= 1 &&
          first.column <= (lines[first.line - 1] ?? '').length + 1
        )
      },
    ),
    { numRuns: 1_500 },
  )
  t.ok(valid > 100, `${valid} of them valid`)
})

const own = (values: object, name: string): unknown => (Object.hasOwn(values, name) ? (values as Record<string, unknown>)[name] : undefined)

/** The facts with only these attributes, every other one stated by somebody else. */
const onlyNamed = (of: ConditionFacts, others: ConditionFacts, named: readonly string[]): ConditionFacts => {
  const kept = (prefix: string, values: object, other: object): object => {
    const result = {}
    const set = (name: string, value: unknown) =>
      Object.defineProperty(result, name, { value, writable: true, enumerable: true, configurable: true })
    for (const name of keys) if (!named.includes(`${prefix}.${name}`) && Object.hasOwn(other, name)) set(name, own(other, name))
    for (const name of keys) if (named.includes(`${prefix}.${name}`) && Object.hasOwn(values, name)) set(name, own(values, name))
    return result
  }
  return {
    subject: { ...of.subject, properties: kept('subject.properties', of.subject.properties, others.subject.properties) },
    resource: { ...of.resource, properties: kept('resource.properties', of.resource.properties, others.resource.properties) },
    action: { ...of.action, properties: kept('action.properties', of.action.properties, others.action.properties) },
    context: Object.assign(kept('context', of.context, others.context), {
      time: of.context.time,
      caller: of.context.caller,
      purpose: of.context.purpose,
    }) as ConditionFacts['context'],
  } as ConditionFacts
}

t.test('an answer rests on the attributes that are named and on nothing else, and is always the same', async (t) => {
  const answers: Record<string, number> = {}
  fc.assert(
    fc.property(condition, facts, facts, (source, stated, others) => {
      const result = compileCondition(source)
      if (result.kind === 'invalid') return true
      const { evaluate, attributes } = result.condition
      const before = JSON.stringify(stated)
      const answer = evaluate(stated)
      const kind = typeof answer === 'boolean' ? `${answer}` : 'error'
      answers[kind] = (answers[kind] ?? 0) + 1
      const alike = isDeepStrictEqual(evaluate(onlyNamed(stated, others, attributes)), answer)
      evaluate(others)
      return alike && isDeepStrictEqual(evaluate(stated), answer) && JSON.stringify(stated) === before
    }),
    { numRuns: 3_000 },
  )
  for (const kind of ['true', 'false', 'error']) t.ok((answers[kind] ?? 0) > 50, `${kind}: ${answers[kind]}`)
})

t.test('every attribute that is named can decide', async (t) => {
  const rests = fc.check(
    fc.property(fc.uniqueArray(attribute, { minLength: 1, maxLength: 5 }), fc.nat(), (paths, pick) => {
      const all = compiled(paths.map((path) => `${path} == 1`).join(' && '))
      const present = compiled(paths.map((path) => `has(${path})`).join(' && '))
      const stating = (missing?: string): ConditionFacts => {
        const values = (prefix: string): object => {
          const result = {}
          for (const path of all.attributes) {
            if (path.startsWith(`${prefix}.`) && path !== missing) {
              Object.defineProperty(result, path.slice(prefix.length + 1), { value: 1, enumerable: true })
            }
          }
          return result
        }
        return {
          subject: { type: 'staff', properties: values('subject.properties') },
          resource: { type: 'imaging', has_patient: false, own_record: false, properties: values('resource.properties') },
          action: { name: 'read', properties: values('action.properties') },
          context: Object.assign(values('context'), { time: new Date(), caller: '', purpose: '' }) as ConditionFacts['context'],
        } as ConditionFacts
      }
      const missing = all.attributes[pick % all.attributes.length] as string
      const without = all.evaluate(stating(missing))
      return (
        all.attributes.length === paths.length &&
        all.evaluate(stating()) === true &&
        typeof without === 'object' &&
        without.error.endsWith(`${missing} is not stated`) &&
        present.evaluate(stating()) === true &&
        present.evaluate(stating(missing)) === false
      )
    }),
    { numRuns: 200 },
  )
  t.equal(rests.failed, false, JSON.stringify(rests.counterexample))
})
