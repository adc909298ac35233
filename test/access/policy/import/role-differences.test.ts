import fc from 'fast-check'
import t from 'tap'
import type { Clearance, Permission } from '../../../../services/access/events.ts'
import { roleDifferences } from '../../../../services/access/policy/import/role-differences.ts'
import { coveredBy, purposes } from '../../../../services/access/policy/purposes.ts'
import type { RoleDefinition } from '../../../../services/access/policy/roles.ts'
import { permission, role } from '../../../support/clinic-fold.ts'

const differences = (before: RoleDefinition, after: RoleDefinition, ...others: readonly RoleDefinition[]) =>
  roleDifferences(before, after, new Map([before, ...others].map((one) => [one.role, one])))

const marks = (before: RoleDefinition, after: RoleDefinition, ...others: readonly RoleDefinition[]) =>
  differences(before, after, ...others).map(({ member, loosens }) => `${member}${loosens === undefined ? '' : ' looser'}`)

const base: Permission = {
  id: 'p',
  resource_type: 'imaging',
  actions: ['read'],
  effect: 'limited',
  bounds: [{ kind: 'own_patients', codes: [] }],
  purposes: ['TREAT'],
  condition: 'context.a == 1',
}
const { condition: _, ...unconditioned } = base

t.test('what makes a permit wider is marked, and its opposite is not', async (t) => {
  const wider: readonly (readonly [string, Permission])[] = [
    ['resource_type looser', { ...base, resource_type: '*' }],
    ['actions looser', { ...base, actions: ['read', 'update'] }],
    ['actions looser', { ...base, actions: ['*'] }],
    ['bounds looser', { ...base, bounds: [] }],
    ['purposes looser', { ...base, purposes: [] }],
    ['purposes looser', { ...base, purposes: ['TREAT', 'HPAYMT'] }],
    ['condition looser', unconditioned],
  ]
  for (const [mark, wide] of wider) {
    t.same(marks(role('r', [base]), role('r', [wide])), [mark])
    t.same(marks(role('r', [wide]), role('r', [base])), [mark.replace(' looser', '')], `back: ${mark}`)
  }
  t.same(marks(role('r', [base]), role('r', [{ ...base, effect: 'permit', bounds: [] }])), ['effect looser', 'bounds looser'])
  t.same(marks(role('r', [base]), role('r', [{ ...base, condition: 'context.a == 2' }])), ['condition looser'], 'nobody can tell')
  t.same(marks(role('r', [base]), role('r', [{ ...base, bounds: [{ kind: 'shared', codes: [] }] }])), ['bounds looser'])
})

t.test('what makes a prohibition narrower is marked', async (t) => {
  const { condition: __, ...forbid } = { ...base, effect: 'forbid' as const, bounds: [], actions: ['*'], purposes: [] }
  const narrower: readonly (readonly [string, Permission])[] = [
    ['actions looser', { ...forbid, actions: ['read'] }],
    ['purposes looser', { ...forbid, purposes: ['TREAT'] }],
    ['condition looser', { ...forbid, condition: 'context.a == 1' }],
    ['effect looser', { ...forbid, effect: 'permit' }],
  ]
  for (const [mark, narrow] of narrower) {
    t.same(marks(role('r', [forbid]), role('r', [narrow])), [mark])
    t.same(marks(role('r', [narrow]), role('r', [forbid])), [mark.replace(' looser', '')], `back: ${mark}`)
  }
  t.same(marks(role('r', [forbid]), role('r', [])), ['permission looser'])
  t.same(marks(role('r', []), role('r', [forbid])), ['permission'])
  t.same(marks(role('r', [], ['ban']), role('r', []), role('ban', [forbid])), ['inherits looser'], 'inherited ones count')
  t.same(marks(role('r', [], ['ban']), role('r', []), role('ban', [base])), ['inherits'])
  t.same(marks(role('r', []), role('r', [], ['ban']), role('ban', [base])), ['inherits looser'])
})

t.test('a clearance that reaches more is marked', async (t) => {
  const cleared = (clearance?: Clearance): RoleDefinition => ({ ...role('r', []), ...(clearance === undefined ? {} : { clearance }) })
  const normal: Clearance = { confidentiality: 'N', sensitivities: [] }
  t.same(marks(cleared(normal), cleared({ ...normal, confidentiality: 'R' })), ['clearance.confidentiality looser'])
  t.same(marks(cleared({ ...normal, confidentiality: 'R' }), cleared(normal)), ['clearance.confidentiality'])
  t.same(marks(cleared(normal), cleared({ ...normal, sensitivities: ['HIV'] })), ['clearance.sensitivities looser'])
  t.same(marks(cleared({ ...normal, sensitivities: ['*'] }), cleared({ ...normal, sensitivities: ['HIV'] })), ['clearance.sensitivities'])
  t.same(marks(cleared({ ...normal, sensitivities: ['BH'] }), cleared({ ...normal, sensitivities: ['PSY'] })), ['clearance.sensitivities'])
  t.same(marks(cleared(), cleared({ ...normal, sensitivities: ['HIV'] })), ['clearance.sensitivities looser'])
  t.same(marks(cleared(), cleared(normal)), ['clearance'], 'it says the same')
})

const somePermission = fc
  .record({
    id: fc.constantFrom('a', 'b', 'c'),
    resourceType: fc.constantFrom('imaging', 'invoice', '*'),
    action: fc.constantFrom('read', 'update', '*'),
    effect: fc.constantFrom('permit' as const, 'forbid' as const),
    purposes: fc.uniqueArray(fc.constantFrom('TREAT', 'ETREAT', 'BTG', 'HPAYMT'), { maxLength: 2 }),
  })
  .map(({ id, resourceType, action, effect, purposes: codes }) => permission(resourceType, action, { id, effect, purposes: codes }))

const someRole = fc.uniqueArray(somePermission, { maxLength: 3, selector: ({ id }) => id }).map((permissions) => role('r', permissions))

const permits = ({ permissions }: RoleDefinition, type: string, action: string, purpose: string): boolean => {
  const speaking = permissions.filter(
    ({ resource_type: of, actions, purposes: codes, effect }) =>
      [type, '*'].includes(of) &&
      actions.some((one) => [action, '*'].includes(one)) &&
      (codes.length === 0 || coveredBy(codes, { breakTheGlass: effect === 'forbid' }).has(purpose as (typeof purposes)[number])),
  )
  return speaking.length > 0 && speaking.every(({ effect }) => effect === 'permit')
}

t.test('whatever a role permits that it did not permit before is marked somewhere', async () => {
  fc.assert(
    fc.property(someRole, someRole, (before, after) => {
      const more = ['imaging', 'invoice'].some((type) =>
        ['read', 'update'].some((action) =>
          purposes.some((purpose) => permits(after, type, action, purpose) && !permits(before, type, action, purpose)),
        ),
      )
      return !more || differences(before, after).some(({ loosens }) => loosens !== undefined)
    }),
    { numRuns: 2_000 },
  )
})
