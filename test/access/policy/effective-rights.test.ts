import t from 'tap'
import { effectiveRights, rightPathText } from '../../../services/access/policy/effective-rights.ts'
import type { RoleDefinition } from '../../../services/access/policy/roles.ts'
import { permission, role } from '../../support/clinic-fold.ts'

const definitions = (...roles: readonly RoleDefinition[]) => new Map(roles.map((one) => [one.role, one]))

t.test('each right is listed with the shortest way that gives it', async (t) => {
  const all = definitions(
    role('lead', [permission('message', 'read')], ['nurse', 'desk']),
    { ...role('nurse', [permission('imaging', 'read')], ['base']), clearance: { confidentiality: 'R', sensitivities: ['HIV'] } },
    role('desk', [permission('invoice', 'read')], ['nurse', 'base', 'ghost']),
    role('base', [permission('appointment', 'read')], ['lead']),
  )
  const effective = effectiveRights(all, 'lead')
  t.same(effective?.rights.map(rightPathText), [
    'lead#message.read',
    'lead -> nurse#imaging.read',
    'lead -> desk#invoice.read',
    'lead -> nurse -> base#appointment.read',
  ])
  t.same(effective?.clearances, [{ clearance: { confidentiality: 'R', sensitivities: ['HIV'] }, path: ['lead', 'nurse'] }])
  t.same(effective?.missing, [['lead', 'desk', 'ghost']])
})

t.test('a role that is not in force has no rights to list', async (t) => {
  t.equal(effectiveRights(definitions(role('a', [])), 'b'), undefined)
  t.same(effectiveRights(definitions(role('a', [])), 'a'), { rights: [], clearances: [], missing: [] })
})
