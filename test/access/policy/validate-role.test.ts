import t from 'tap'
import type { PermissionDraft, RoleDraft } from '../../../services/access/policy/role-draft.ts'
import { defineRole, noRoles, retireRole } from '../../../services/access/policy/roles.ts'
import { inheritsItself, validateInheritance, validateRole } from '../../../services/access/policy/validate-role.ts'
import { permission, role } from '../../support/clinic-fold.ts'

const good: PermissionDraft = { resource_type: 'imaging', actions: ['read'], effect: 'permit', bounds: [], purposes: ['TREAT'] }
const limited: PermissionDraft = { ...good, effect: 'limited', bounds: [{ kind: 'fields', codes: ['status'] }] }
const draft = (...permissions: readonly PermissionDraft[]): RoleDraft => ({ role: 'dentist', title: 'Dentist', inherits: [], permissions })
const withPermission = (change: { readonly [K in keyof PermissionDraft]?: unknown }, base = good) =>
  validateRole(draft({ ...base, ...change } as PermissionDraft))
const fields = (violations: ReturnType<typeof validateRole>) => violations.map(({ field }) => field)
const many = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`)

t.test('well-formed roles pass', async (t) => {
  t.same(validateRole(draft()), [])
  t.same(validateRole(draft(good, limited, { ...good, effect: 'forbid' }, { ...good, resource_type: '*', actions: ['*'] })), [])
  t.same(withPermission({ id: 'patients/appt', resource_type: 'patients/appt', condition: '' }), [])
  t.same(
    withPermission(
      {
        bounds: [
          { kind: 'own_patients', codes: [] },
          { kind: 'shared', codes: [] },
        ],
      },
      limited,
    ),
    [],
  )
})

t.test('names must be names', async (t) => {
  for (const name of ['', 'Dentist', 'den tist', 'dentist#1', 'x'.repeat(65), 'dentist\n']) {
    t.same(fields(validateRole({ ...draft(), role: name })), ['role.role'], name)
  }
  for (const title of ['', 'x'.repeat(201), '\udfff']) t.same(fields(validateRole({ ...draft(), title })), ['role.title'])
  for (const type of ['', ' ', '#', 'a b', 'x'.repeat(65), '**']) {
    t.same(fields(withPermission({ resource_type: type })), ['role.permissions[0].resource_type'], type)
  }
  for (const actions of [[''], ['re ad'], ['read', 'x#y']]) t.same(fields(withPermission({ actions })), ['role.permissions[0].actions'])
  for (const id of [' ', 'a#b', 'x'.repeat(129)]) t.same(fields(withPermission({ id })), ['role.permissions[0].id'], id)
})

t.test('actions are named, once each, or the wildcard alone', async (t) => {
  t.same(fields(withPermission({ actions: [] })), ['role.permissions[0].actions'])
  t.same(fields(withPermission({ actions: ['read', 'read'] })), ['role.permissions[0].actions'])
  t.same(fields(withPermission({ actions: ['*', 'read'] })), ['role.permissions[0].actions'])
  t.same(fields(withPermission({ actions: many(65) })), ['role.permissions[0].actions'])
})

t.test('an effect is stated', async (t) => {
  for (const effect of [undefined, 'deny', '']) t.same(fields(withPermission({ effect })), ['role.permissions[0].effect'])
})

t.test('the codes of one permission are limited together, as every permit carries them', async (t) => {
  const code = 'x'.repeat(125)
  const bounds = (count: number) => [
    { kind: 'fields', codes: many(count).map((name) => `${name}${code}`.slice(0, 125)) },
    { kind: 'status', codes: [] },
  ]
  t.same(withPermission({ bounds: bounds(60) }, limited), [])
  const halves = [...bounds(40), { kind: 'half', codes: many(40).map((name) => `${name}${code}`.slice(0, 125)) }]
  t.match(withPermission({ bounds: halves }, limited), [
    { field: 'role.permissions[0].bounds', description: /more than 8192 bytes together/ },
  ])
  t.same(validateRole(draft({ ...limited, bounds: bounds(60) }, { ...limited, bounds: bounds(60) })), [], 'each permission for itself')
})

const costly = 'context.a.all(x, context.b.all(y, x == y))'

t.test('conditions that one decision could not evaluate all of are refused where they add up', async (t) => {
  const asked = (change: Partial<PermissionDraft> = {}): PermissionDraft => ({ ...good, condition: costly, ...change })
  t.same(validateRole(draft(asked(), asked())), [])
  t.match(validateRole(draft(asked(), asked(), asked())), [
    {
      field: 'role.permissions',
      description: /for action read on resource type imaging may cost [\d,]+ units together, more than 1,000,000/,
    },
  ])
  t.same(fields(validateRole(draft(asked(), asked(), asked({ effect: 'forbid', purposes: [] })))), ['role.permissions'])
  t.same(
    fields(validateRole(draft(asked(), asked({ resource_type: '*' }), asked({ actions: ['*'] })))),
    ['role.permissions'],
    'by wildcards',
  )
  t.same(
    validateRole(draft(asked(), asked({ resource_type: 'invoice' }), asked({ actions: ['update'] }))),
    [],
    'each asked of something else',
  )
  t.same(validateRole(draft(...Array.from({ length: 300 }, () => asked({ condition: 'context.k == "NN"' })))), [])
})

t.test('conditions that add up by inheritance are refused too, in whichever role comes last', async (t) => {
  const roles = noRoles()
  const one = { ...permission('imaging', 'read'), condition: costly }
  defineRole(roles, role('base', [one, { ...one, id: 'two' }]))
  const heir: RoleDraft = { ...draft({ ...good, condition: costly }), role: 'heir', inherits: ['base'] }
  t.match(validateInheritance(heir, roles), [
    { field: 'role.inherits', description: /^with what it inherits, the conditions for action read/ },
  ])
  defineRole(roles, role('base', [one]))
  t.same(validateInheritance(heir, roles), [])
  defineRole(roles, role('heir', [one], ['base']))
  const grown: RoleDraft = { ...draft({ ...good, condition: costly }, { ...good, condition: costly }), role: 'base' }
  t.match(validateInheritance(grown, roles), [{ field: 'role.permissions', description: /^in the role heir, which inherits this one, / }])
})

t.test('bounds belong to limited permissions, and to each of them', async (t) => {
  t.same(fields(withPermission({ bounds: [] }, limited)), ['role.permissions[0].bounds'])
  t.same(fields(withPermission({ effect: 'permit' }, limited)), ['role.permissions[0].bounds'])
  t.same(fields(withPermission({ effect: 'forbid' }, limited)), ['role.permissions[0].bounds'])
})

t.test('bounds are well formed', async (t) => {
  const bounds = (...given: readonly object[]) => fields(withPermission({ bounds: given }, limited))
  const at = 'role.permissions[0].bounds'
  t.same(bounds({ kind: 'fields', codes: [] }, { kind: 'fields', codes: [] }), [at])
  t.same(bounds(...many(17).map((kind) => ({ kind, codes: [] }))), [at])
  t.same(bounds({ kind: '', codes: [] }), [`${at}[0].kind`])
  t.same(bounds({ kind: 'own patients', codes: [] }), [`${at}[0].kind`])
  t.same(bounds({ kind: 'own_patients', codes: ['any'] }), [`${at}[0].codes`], 'a parameter that is not looked at is not accepted')
  t.same(bounds({ kind: 'shared', codes: ['any'] }), [`${at}[0].codes`])
  t.same(bounds({ kind: 'fields', codes: [''] }), [`${at}[0].codes`])
  t.same(bounds({ kind: 'fields', codes: ['x'.repeat(129)] }), [`${at}[0].codes`])
  t.same(bounds({ kind: 'fields', codes: ['a', 'a'] }), [`${at}[0].codes`])
  t.same(bounds({ kind: 'fields', codes: many(65) }), [`${at}[0].codes`])
})

t.test('purposes are known codes', async (t) => {
  t.same(fields(withPermission({ purposes: ['TREAT', 'FUN'] })), ['role.permissions[0].purposes'])
  t.same(fields(withPermission({ purposes: ['TREAT', 'TREAT'] })), ['role.permissions[0].purposes'])
})

t.test('a condition is checked when the role is put, and refused with the place of the fault', async (t) => {
  const at = 'role.permissions[0].condition'
  t.same(withPermission({ condition: 'resource.properties.status == "final"' }), [])
  t.same(withPermission({ condition: 'true &&\n\tsubject.type == "staff"\r\n' }), [], 'on several lines')
  t.match(withPermission({ condition: 'true &&\n  (1 ==' }), [{ field: at, description: /^line 2, column \d+: ./ }])
  t.match(withPermission({ condition: 'resource.secrets == 1' }), [{ field: at, description: /^line 1, column \d+: ./ }])
  t.same(fields(withPermission({ condition: 'subject.id == "d-17"' })), [at], 'identifiers are not to be seen')
  t.same(fields(withPermission({ condition: 'true || "\u202e" == ""' })), [at], 'what stands there is not what is read')
  t.same(fields(withPermission({ condition: '"\ud800" == ""' })), [at])
  t.match(withPermission({ condition: `"${'x'.repeat(4_000)}" == ""` }), [{ field: at, description: /more than/ }])
  const third = validateRole(draft(good, limited, { ...good, effect: 'forbid', condition: '1 + ' }))
  t.same(fields(third), ['role.permissions[2].condition'])
})

t.test('a clearance names known codes, once each, or all sensitivities alone', async (t) => {
  const cleared = (confidentiality: string, ...sensitivities: string[]) =>
    fields(validateRole({ ...draft(), clearance: { confidentiality, sensitivities } }))
  for (const level of ['', 'U', 'L', 'M', 'N', 'R', 'V']) t.same(cleared(level), [], level)
  t.same(cleared('R', '*'), [])
  t.same(cleared('', 'EMP', 'VIP', 'HIV', 'PSY'), [])
  for (const level of ['r', 'ETH', 'X', 'constructor']) t.same(cleared(level), ['role.clearance.confidentiality'], level)
  const codes = 'role.clearance.sensitivities'
  for (const code of ['', 'hiv', 'NONSENSE', '__proto__']) t.same(cleared('N', code), [codes], code)
  t.same(cleared('N', 'HIV', 'HIV'), [codes])
  t.same(cleared('N', '*', 'HIV'), [codes])
})

t.test('texts that people read hold nothing that cannot be seen', async (t) => {
  for (const title of [' Dentist', 'Dentist ', 'Den\ntist', 'Den\u202etist', '\ufeffDentist', '\u0000']) {
    t.same(fields(validateRole({ ...draft(), title })), ['role.title'], JSON.stringify(title))
    const bounds = [{ kind: 'fields', codes: [title] }]
    t.same(fields(withPermission({ bounds }, limited)), ['role.permissions[0].bounds[0].codes'], JSON.stringify(title))
  }
})

t.test('permission ids are unique', async (t) => {
  t.same(fields(validateRole(draft({ ...good, id: 'a' }, { ...limited, id: 'a' }))), ['role.permissions'])
  t.same(validateRole(draft({ ...good, id: '' }, { ...limited, id: '' })), [], 'empty ones are assigned')
})

t.test('a role has a size', async (t) => {
  t.same(fields(validateRole(draft(...Array.from({ length: 1_001 }, () => good)))), ['role.permissions'])
  const wordy = { ...limited, bounds: [{ kind: 'fields', codes: many(60).map((code) => code.padEnd(128, 'x')) }] }
  t.same(validateRole(draft(wordy)), [])
  t.same(fields(validateRole(draft(...Array.from({ length: 8 }, () => wordy)))), ['role'])
  const faulty = { ...good, condition: '('.repeat(3_999) }
  t.same(fields(validateRole(draft(...Array.from({ length: 16 }, () => faulty)))), ['role'], 'and its conditions are not even read then')
  t.same(fields(validateRole({ ...draft(), inherits: many(33) })), ['role.inherits'])
  t.same(fields(validateRole({ ...draft(), inherits: ['a', 'a'] })), ['role.inherits'])
  t.same(fields(validateRole({ ...draft(), inherits: ['A'] })), ['role.inherits'])
})

t.test('it inherits roles in force, and never itself', async (t) => {
  const roles = noRoles()
  defineRole(roles, role('base', []))
  defineRole(roles, role('middle', [], ['base']))
  const inheriting = (name: string, ...inherits: string[]) => ({ ...draft(), role: name, inherits })
  t.same(validateInheritance(inheriting('dentist', 'middle'), roles), [])
  t.same(fields(validateInheritance(inheriting('dentist', 'middle', 'nonesuch'), roles)), ['role.inherits[1]'])
  t.equal(inheritsItself(inheriting('dentist', 'middle'), roles), false)
  t.equal(inheritsItself(inheriting('base', 'base'), roles), true)
  t.equal(inheritsItself(inheriting('base', 'middle'), roles), true)
  retireRole(roles, 'base')
  t.equal(inheritsItself(inheriting('base', 'middle'), roles), true, 'what inherits a retired role would have it again')
})
