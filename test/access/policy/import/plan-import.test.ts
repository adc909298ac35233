import fc from 'fast-check'
import t from 'tap'
import { administer } from '../../../../services/access/administer.ts'
import { administratorDefinition } from '../../../../services/access/policy/administrator.ts'
import { type ImportPlan, planImport } from '../../../../services/access/policy/import/plan-import.ts'
import type { RoleDefinition } from '../../../../services/access/policy/roles.ts'
import { createClinicFold, noon, permission, role, staff } from '../../../support/clinic-fold.ts'

const planned = (plan: ImportPlan) => {
  if (plan.kind !== 'plan') throw new Error(JSON.stringify(plan))
  return plan.roles
}
const problems = (plan: ImportPlan) =>
  plan.kind === 'problems' ? plan.problems.map(({ role: name, message }) => `${name} ${message}`) : []

t.test('what is inherited is put first, whatever the order of the file', async (t) => {
  const roles = [role('lead', [], ['nurse', 'desk']), role('desk', [], ['base']), role('nurse', [], ['base']), role('base', [])]
  t.same(
    planned(planImport(roles, [])).map(({ role: { role: name }, change }) => [name, change]),
    [
      ['base', 'new'],
      ['nurse', 'new'],
      ['desk', 'new'],
      ['lead', 'new'],
    ],
  )
})

t.test('what would change is said role by role', async (t) => {
  const read = permission('imaging', 'read')
  const before = [
    role('same', [read]),
    role('other', [read, permission('invoice', 'read'), permission('claim', 'read')]),
    role('moved', [read, permission('x', 'y')]),
  ]
  const after: readonly RoleDefinition[] = [
    role('same', [read]),
    {
      ...role('other', [{ ...read, condition: 'true' }, permission('invoice', 'read'), permission('message', 'read')]),
      title: 'Another',
      clearance: { confidentiality: 'R', sensitivities: [] },
    },
    role('moved', [permission('x', 'y'), read]),
    role('more', []),
  ]
  t.same(
    planned(planImport(after, before)).map(({ role: { role: name }, change, differences }) => [name, change, differences]),
    [
      ['same', 'unchanged', []],
      [
        'other',
        'changed',
        [
          { member: 'title', from: 'other', to: 'Another' },
          { member: 'clearance.confidentiality', from: 'N', to: 'R', loosens: 'clears for more confidential records' },
          { permission: 'imaging.read', member: 'condition', from: null, to: 'true' },
          {
            permission: 'message.read',
            member: 'permission',
            from: null,
            to: { ...permission('message', 'read') },
            loosens: 'permits something new',
          },
          { permission: 'claim.read', member: 'permission', from: { ...permission('claim', 'read') }, to: null },
        ],
      ],
      ['moved', 'changed', [{ member: 'order of permissions', from: ['imaging.read', 'x.y'], to: ['x.y', 'imaging.read'] }]],
      ['more', 'new', []],
    ],
  )
})

t.test('what could not be put as a whole is not begun', async (t) => {
  t.same(problems(planImport([role('a', [], ['b']), role('b', [], ['c']), role('c', [], ['a'])], [])), [
    'a would inherit from itself: a -> b -> c -> a',
    'b would inherit from itself: b -> c -> a -> b',
    'c would inherit from itself: c -> a -> b -> c',
  ])
  t.same(problems(planImport([role('a', [], ['a'])], [])), ['a would inherit from itself: a -> a'])
  t.same(
    problems(planImport([role('a', [], ['b'])], [role('b', [], ['a'])])),
    ['a would inherit from itself: a -> b -> a'],
    'through one in force',
  )
  t.same(problems(planImport([role('a', [], ['ghost'])], [])), ['a inherits "ghost", which is neither in the file nor in force'])
  t.same(problems(planImport([administratorDefinition], [administratorDefinition])), [
    'administrator is reserved and cannot be changed; leave it out',
  ])
  t.equal(planImport([role('a', [], ['administrator'])], [administratorDefinition]).kind, 'plan', 'but it may be inherited')
})

const names = ['a', 'b', 'c', 'd', 'e']
const someRoles = fc
  .array(fc.record({ name: fc.constantFrom(...names), inherits: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 3 }) }), {
    maxLength: 6,
  })
  .map((given) => [...new Map(given.map(({ name, inherits }) => [name, role(name, [], inherits)])).values()])

t.test('a plan put role by role is never refused, and what is in no plan could not all have been put', async () => {
  fc.assert(
    fc.property(someRoles, someRoles, (first, second) => {
      const clinic = createClinicFold()
      const put = (definition: RoleDefinition): boolean => {
        const outcome = administer(clinic.state, { kind: 'put_role', role: definition }, { scope: 'policy.write' }, noon)
        if (outcome.kind === 'change') clinic.applyAll(outcome.events)
        return outcome.kind === 'change'
      }
      const registration = { kind: 'register_clinic', title: 'P', timeZone: 'UTC', administrator: staff('root') } as const
      const opened = administer(clinic.state, registration, { scope: 'clinic.register' }, noon)
      if (opened.kind === 'change') clinic.applyAll(opened.events)
      const definitions = () => [...clinic.state.roles.definitions.values()]
      for (const file of [first, second]) {
        const plan = planImport(file, definitions())
        if (plan.kind === 'plan') {
          for (const { role: definition } of plan.roles) if (!put(definition)) throw new Error(`${definition.role} was refused`)
        } else {
          // Whatever the order: retries until nothing more is accepted.
          let left = [...file]
          for (let before = -1; before !== left.length; ) {
            before = left.length
            left = left.filter((definition) => !put(definition))
          }
          const inForce = new Map(definitions().map((definition) => [definition.role, definition]))
          if (file.every((definition) => JSON.stringify(inForce.get(definition.role)?.inherits) === JSON.stringify(definition.inherits)))
            throw new Error('it could have been put')
        }
      }
    }),
    { numRuns: 1_000 },
  )
})
