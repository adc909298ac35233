import t from 'tap'
import { isPermissionId } from '../../../services/access/policy/names.ts'
import { definitionOf, type PermissionDraft } from '../../../services/access/policy/role-draft.ts'

const draft = (resource_type: string, actions: readonly string[], id?: string): PermissionDraft => ({
  ...(id === undefined ? {} : { id }),
  resource_type,
  actions,
  effect: 'permit',
  bounds: [],
  purposes: [],
})

const idsOf = (...permissions: readonly PermissionDraft[]) =>
  definitionOf({ role: 'r', title: 'R', inherits: [], permissions }).permissions.map(({ id }) => id)

t.test('ids that are given stay, others say what the permission is about', async (t) => {
  t.same(idsOf(draft('imaging', ['read'], 'mine'), draft('imaging', ['read', 'update']), draft('*', ['*'], '')), [
    'mine',
    'imaging.read+update',
    '*.*',
  ])
})

t.test('equal ones are told apart, and a given id is never taken', async (t) => {
  t.same(idsOf(draft('imaging', ['read']), draft('imaging', ['read']), draft('x', ['y'], 'imaging.read~2')), [
    'imaging.read',
    'imaging.read~3',
    'imaging.read~2',
  ])
})

t.test('an id does not depend on what stands before it', async (t) => {
  t.same(idsOf(draft('a', ['read']), draft('b', ['read'])).at(-1), idsOf(draft('b', ['read'])).at(-1))
})

t.test('what says nothing is absent, so that equal roles have equal definitions', async (t) => {
  const role = (clearance?: { confidentiality: string; sensitivities: string[] }, condition?: string) =>
    definitionOf({
      role: 'r',
      title: 'R',
      inherits: [],
      permissions: [{ ...draft('imaging', ['read']), ...(condition === undefined ? {} : { condition }) }],
      ...(clearance === undefined ? {} : { clearance }),
    })
  t.strictSame(role({ confidentiality: '', sensitivities: [] }, ''), role())
  t.strictSame(role({ confidentiality: 'N', sensitivities: [] }), role())
  t.notOk('clearance' in role() || 'condition' in (role().permissions[0] ?? {}))
  t.strictSame(role({ confidentiality: '', sensitivities: ['HIV'] }).clearance, { confidentiality: 'N', sensitivities: ['HIV'] })
  t.strictSame(role({ confidentiality: 'L', sensitivities: [] }).clearance, { confidentiality: 'L', sensitivities: [] })
  t.equal(role(undefined, 'true').permissions[0]?.condition, 'true')
})

t.test('many actions still give an id of permitted length', async (t) => {
  const actions = Array.from({ length: 64 }, (_, index) => `action_number_${index}`)
  const ids = idsOf(draft('x'.repeat(64), actions), draft('x'.repeat(64), actions))
  t.equal(new Set(ids).size, 2)
  for (const id of ids) t.ok(isPermissionId(id), id)
})
