import t from 'tap'
import { importFaults, importsOf } from '../../scripts/import-rules.ts'

const faultsOf = (sources: Readonly<Record<string, string>>): readonly string[] => importFaults(new Map(Object.entries(sources)))

t.test('the one-way layout holds for what points inwards', async (t) => {
  t.same(
    faultsOf({
      'services/kernel/clock.ts': "import pg from 'pg'",
      'services/audit/entry.ts': "import { a } from '../kernel/clock.ts'",
      'services/access/events.ts': "import { a } from '../audit/entry.ts'",
      'services/projections/runner.ts': "import type { E } from '../access/events.ts'\nimport { d } from '../access/event-codec.ts'",
      'services/main.ts': "import { a } from './access/doors/grpc.ts'",
      'cli/main.ts': "import { a } from '../services/main.ts'\nimport p from '../package.json' with { type: 'json' }",
      'test/audit/entry.test.ts': "import { a } from '../../services/audit/entry.ts'\nimport { b } from '../support/x.ts'",
    }),
    [],
  )
})

const violations: readonly (readonly [what: string, file: string, text: string, target: string])[] = [
  ['an import', 'services/kernel/a.ts', "import { x } from '../audit/entry.ts'", 'services/audit/entry.ts'],
  ['a type', 'services/projections/a.ts', "import type { State } from '../access/state.ts'", 'services/access/state.ts'],
  ['a dynamic import', 'services/audit/deep/a.ts', "await import('../../access/decide.ts')", 'services/access/decide.ts'],
  ['a re-export', 'services/kernel/a.ts', "export { x } from '../projections/runner.ts'", 'services/projections/runner.ts'],
  ['an export of everything', 'services/access/a.ts', "export * from '../projections/runner.ts'", 'services/projections/runner.ts'],
  ['a type in place', 'services/kernel/a.ts', "let x: import('../access/state.ts').State", 'services/access/state.ts'],
  ['a detour through the root', 'services/kernel/a.ts', "import { x } from '../../services/audit/entry.ts'", 'services/audit/entry.ts'],
  ['the composition root', 'services/access/a.ts', "import { x } from '../main.ts'", 'services/main.ts'],
  ['the command line', 'services/main.ts', "import { x } from '../cli/main.ts'", 'cli/main.ts'],
  ['a test', 'cli/a.ts', "import { x } from '../test/support/x.ts'", 'test/support/x.ts'],
]

for (const [what, file, text, target] of violations) {
  t.test(`${what} that points the wrong way is named`, async (t) => {
    t.same(faultsOf({ [file]: text }), [`${file}: may not import ${target}`])
  })
}

t.test('a new folder needs a rule of its own', async (t) => {
  t.match(faultsOf({ 'services/billing/a.ts': "import { x } from '../kernel/clock.ts'" }), [/no import rule covers this path/])
})

t.test('a cycle is named with its whole path, through files that are innocent by themselves', async (t) => {
  const ring = {
    'services/kernel/a.ts': "import { b } from './b.ts'",
    'services/kernel/b.ts': "import { c } from './c.ts'",
    'services/kernel/c.ts': "import { type A } from './a.ts'",
  }
  t.same(faultsOf(ring), ['import cycle: services/kernel/a.ts → services/kernel/b.ts → services/kernel/c.ts → services/kernel/a.ts'])
  t.same(
    faultsOf({ ...ring, 'services/kernel/c.ts': "import type { A } from './a.ts'" }),
    [],
    'an import of types alone is gone at run time',
  )
})

t.test('only tests and benchmarks may read the material beside the checkout', async (t) => {
  const text = "readFileSync('../shared/data/roles/clinic-roles.csv')"
  t.match(faultsOf({ 'cli/commands/demo.ts': text }), [/names \.\.\/shared/])
  t.same(faultsOf({ 'test/import.test.ts': text, 'bench/a.ts': text }), [])
  t.same(faultsOf({ 'services/access/bounds.ts': "const bound = 'shared'\nimport { x } from './shared-records.ts'" }), [])
})

t.test('comments and strings are not imports, and what does not parse is an error', async (t) => {
  t.same(importsOf('services/kernel/a.ts', "// import './x.ts'\nconst s = \"import y from './y.ts'\""), [])
  t.throws(() => importsOf('services/kernel/a.ts', 'import {'), SyntaxError)
})
