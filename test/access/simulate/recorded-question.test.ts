import fc from 'fast-check'
import t from 'tap'
import { nested } from '../../../services/access/simulate/recorded-question.ts'
import type { JsonValue } from '../../../services/kernel/canonical-json.ts'

t.test('values by path become the objects they were taken from', async (t) => {
  t.same(nested({}), {})
  t.same(nested({ 'subject.properties.level': 'senior', 'context.device.kind': 'tablet', 'context.device.os': null }), {
    subject: { properties: { level: 'senior' } },
    context: { device: { kind: 'tablet', os: null } },
  })
})

t.test('a path that is part of another says it all', async (t) => {
  t.same(nested({ 'context.a.b': 1, 'context.a': { b: 1, c: 2 } }), { context: { a: { b: 1, c: 2 } } })
  t.same(nested({ 'context.a': 'text', 'context.a.b': 1 }), { context: { a: 'text' } })
})

t.test('names that objects have anyway are names like any other', async (t) => {
  const made = nested({ 'context.__proto__.x': 1, 'context.constructor': 2 })
  t.equal(Object.getPrototypeOf(made), Object.prototype)
  t.same(Object.keys(made.context as object).sort(), ['__proto__', 'constructor'])
  t.equal(({} as Record<string, unknown>).x, undefined)
})

t.test('every value is found again under its path', async () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd')
  const objects: fc.Arbitrary<JsonValue> = fc.letrec<{ tree: JsonValue }>((tie) => ({
    tree: fc.oneof(fc.integer(), fc.string(), fc.dictionary(name, tie('tree'), { maxKeys: 3 })),
  })).tree
  fc.assert(
    fc.property(fc.dictionary(name, objects), fc.array(fc.array(name, { minLength: 1, maxLength: 3 })), (tree, paths) => {
      const at = (root: JsonValue | undefined, path: readonly string[]): JsonValue | undefined =>
        path.reduce<JsonValue | undefined>(
          (value, step) =>
            typeof value === 'object' && value !== null && Object.hasOwn(value, step)
              ? (value as { readonly [name: string]: JsonValue })[step]
              : undefined,
          root,
        )
      const values: Record<string, JsonValue> = {}
      for (const path of paths) {
        const value = at(tree, path)
        if (value !== undefined) values[path.join('.')] = value
      }
      const made = nested(values)
      return Object.entries(values).every(([path, value]) => JSON.stringify(at(made, path.split('.'))) === JSON.stringify(value))
    }),
  )
})
