import { readFileSync } from 'node:fs'
import t from 'tap'
import { importRoles, type RoleImport, type RoleTables } from '../../../../services/access/policy/import/import-roles.ts'
import type { RoleDefinition } from '../../../../services/access/policy/roles.ts'

const read = (path: string) => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8')
const builtin = 'services/access/policy/builtin'
const openEmr = read('test/fixtures/roles/openemr-acl.csv')

const imported = (tables: RoleTables): Extract<RoleImport, { kind: 'roles' }> => {
  const result = importRoles(tables)
  if (result.kind === 'problems') throw new Error(JSON.stringify(result.problems))
  return result
}

const problemsOf = (tables: RoleTables) => {
  const result = importRoles(tables)
  return result.kind === 'problems' ? result.problems.map(({ file, line, message }) => `${file}:${line} ${message}`) : []
}

const byName = (roles: readonly RoleDefinition[], name: string) => roles.find(({ role }) => role === name) as RoleDefinition

const header = 'role,resource_type,action,effect,source\n'
const boundsHeader = 'role,resource_type,action,kind,code\n'

t.test('the clinic table loads unchanged: a permission for each cell that is not denied', async (t) => {
  const tables = {
    roles: read(`${builtin}/clinic-roles.csv`),
    bounds: read(`${builtin}/clinic-bounds.csv`),
    purposes: read(`${builtin}/clinic-purposes.csv`),
  }
  const { format, roles, findings } = imported(tables)
  t.equal(format, 'clinic')
  t.same(findings, [])
  t.same(
    roles.map(({ role, title, permissions }) => [role, title, permissions.length]),
    [
      ['clinic_admin', 'Clinic admin', 37],
      ['dentist', 'Dentist', 31],
      ['hygienist', 'Hygienist', 17],
      ['receptionist', 'Receptionist', 18],
      ['lab_technician', 'Lab technician', 8],
      ['compliance_officer', 'Compliance officer', 6],
    ],
  )
  const find = (role: string, id: string) => byName(roles, role).permissions.find((permission) => permission.id === id)
  t.same(find('receptionist', 'treatment_record.read'), {
    id: 'treatment_record.read',
    resource_type: 'treatment_record',
    actions: ['read'],
    effect: 'limited',
    bounds: [{ kind: 'fields', codes: ['alerts', 'planned_procedure', 'duration', 'next_visit'] }],
    purposes: ['PATADMIN', 'HPAYMT', 'PATRQT'],
  })
  t.same(find('clinic_admin', 'imaging.read')?.bounds, [
    { kind: 'purpose_stated', codes: ['complaint', 'insurer_question', 'patient_request'] },
  ])
  t.same(find('dentist', 'imaging.update')?.bounds, [
    { kind: 'own_patients', codes: [] },
    { kind: 'annotate_only', codes: [] },
  ])
  t.equal(find('receptionist', 'clinical_note.read'), undefined)
})

t.test("OpenEMR's table loads unchanged: levels become actions, the highest counts", async (t) => {
  const { format, roles } = imported({ roles: openEmr })
  t.equal(format, 'openemr')
  t.same(
    roles.map(({ role, title, permissions }) => [role, title, permissions.length]),
    [
      ['admin', 'Administrators', 65],
      ['doc', 'Physicians', 29],
      ['clin', 'Clinicians', 21],
      ['front', 'Front Office', 4],
      ['back', 'Accounting', 13],
      ['breakglass', 'Emergency Login', 65],
    ],
  )
  const actionsOf = (role: string, id: string) => byName(roles, role).permissions.find((permission) => permission.id === id)?.actions
  t.same(actionsOf('doc', 'patients/pat_rep'), ['view'])
  t.same(actionsOf('clin', 'patients/demo'), ['view', 'addonly'])
  t.same(actionsOf('clin', 'encounters/notes'), ['view', 'addonly', 'wsome', 'write'], 'held twice')
  t.same(actionsOf('front', 'patients/appt'), ['view', 'addonly', 'wsome', 'write'])
  t.equal(actionsOf('front', 'patients/med'), undefined)
  const objects = new Set(
    read('test/fixtures/roles/openemr-objects.csv')
      .split('\n')
      .map((line) => line.split(',').slice(0, 2).join('/')),
  )
  for (const { role, permissions } of roles) {
    t.same(
      permissions.filter(({ id, resource_type: type }) => id !== type || !objects.has(type)),
      [],
      `${role} names known objects only`,
    )
  }
})

t.test("OpenEMR's dangers are reported, and import all the same", async (t) => {
  const { findings } = imported({ roles: openEmr })
  t.match(findings, [
    { kind: 'equal_roles', roles: ['admin', 'breakglass'] },
    { kind: 'administration_outside_administrators', roles: ['breakglass'], message: /admin\/super and admin\/acl/ },
    { kind: 'standing_emergency', roles: ['breakglass'] },
    { kind: 'any_purpose', roles: { length: 6 } },
  ])
  const stray = imported({ roles: 'role,section,object,level\nadmin,admin,acl,write\nfront,admin,acl,view\n' }).findings
  t.match(stray, [{ kind: 'administration_outside_administrators', roles: ['front'] }, { kind: 'any_purpose' }])
})

t.test('purposes can be given for either table, and then no purpose is left open', async (t) => {
  const roles = 'role,section,object,level\nfront,patients,appt,write\n'
  t.same(byName(imported({ roles, purposes: 'role,purposes\nfront,PATADMIN  HPAYMT\n' }).roles, 'front').permissions[0]?.purposes, [
    'PATADMIN',
    'HPAYMT',
  ])
  t.match(imported({ roles, purposes: 'role,purposes\nfront,\n' }).findings, [{ kind: 'any_purpose' }], 'an empty cell says any')
  t.same(imported({ roles, purposes: 'role,purposes\nfront,PATADMIN\n' }).findings, [])
})

t.test('without a source column, with another line end and a byte order mark it is the same table', async (t) => {
  const plain = imported({ roles: `${header}a,imaging,read,permit,guide\n` }).roles
  t.same(imported({ roles: '\ufeffrole,resource_type,action,effect\r\na, imaging ,read,permit\r\n' }).roles, plain)
})

t.test('a role whose every cell is denied is a role that gives nothing', async (t) => {
  t.match(imported({ roles: `${header}a,imaging,read,deny,x\n` }).roles, [{ role: 'a', permissions: { length: 0 } }])
})

t.test('roles that give the same are reported, empty ones apart', async (t) => {
  const row = (role: string, effect: string) => `${role},imaging,read,${effect},x\n`
  const { findings } = imported({ roles: header + row('a', 'permit') + row('b', 'permit') + row('c', 'deny') + row('d', 'deny') })
  t.match(
    findings.filter(({ kind }) => kind === 'equal_roles'),
    [{ roles: ['a', 'b'] }],
  )
})

const bad: readonly (readonly [string, RoleTables, readonly string[]])[] = [
  ['nothing at all', { roles: '' }, ['roles:1 the file is empty']],
  ['a header alone', { roles: header }, ['roles:1 the file has a header and no rows']],
  ['another header', { roles: 'who,what\na,b\n' }, ['roles:1 the header "who,what" is not known: expected']],
  ['a torn quote', { roles: `${header}a,"imaging,read,permit,x\n` }, ['roles:2 this is not CSV']],
  ['a short row', { roles: `${header}a,imaging,read,permit,x\na,imaging,update\n` }, ['roles:3 has 3 columns where the header has 5']],
  ['a wrong effect', { roles: `${header}a,imaging,read,allow,x\n` }, ['roles:2 effect "allow" is not permit, limited or deny']],
  ['an effect of its own', { roles: `${header}a,imaging,read,forbid,x\n` }, ['roles:2 effect "forbid"']],
  [
    'a cell twice',
    { roles: `${header}a,imaging,read,permit,x\n\na,imaging,read,deny,x\n` },
    ['roles:4 the cell a, imaging, read stands on line 2 already'],
  ],
  [
    'empty cells',
    { roles: `${header},,,,\n` },
    ['roles:2 "" is no role name', 'roles:2 "" is no resource type', 'roles:2 "" is no action', 'roles:2 effect "" is not'],
  ],
  [
    'a limited cell without bounds among others',
    { roles: `${header}a,imaging,read,limited,x\na,imaging,update,limited,x\n`, bounds: `${boundsHeader}a,imaging,read,shared,\n` },
    ['roles:3 the limited cell a, imaging, update has no bounds'],
  ],
  ['bounds under another header', { roles: `${header}a,imaging,read,permit,x\n`, bounds: 'a,b\n1,2\n' }, ['bounds:1 the header must be']],
  [
    'bounds that fit nothing',
    {
      roles: `${header}a,imaging,read,permit,x\na,imaging,update,limited,x\n`,
      bounds: `${boundsHeader}a,invoice,read,fields,\na,imaging,read,fields,\na,imaging,update,shared,all\na,imaging,update,shared,\na,imaging,update,,\n`,
    },
    [
      'bounds:2 the role table has no such cell',
      'bounds:3 the cell is "permit", so it has no bounds (line 2 of the role table)',
      'bounds:4 "shared" takes no codes',
      'bounds:5 the bound "shared" of this cell stands there already',
      'bounds:6 "" is no kind of bound',
    ],
  ],
  [
    'purposes under another header',
    { roles: `${header}a,imaging,read,permit,x\n`, purposes: 'a,b\n1,2\n' },
    ['purposes:1 the header must be'],
  ],
  [
    'purposes that fit nothing',
    { roles: `${header}a,imaging,read,permit,x\nb,imaging,read,permit,x\n`, purposes: 'role,purposes\na,TREAT FUN\na,COC COC\nc,TREAT\n' },
    [
      'purposes:2 "FUN" is no PurposeOfUse code',
      'purposes:3 role "a" has a row already',
      'purposes:3 names the same purpose twice',
      'purposes:4 the role table has no role "c"',
      'purposes:1 role "b" has no row',
    ],
  ],
  [
    'what OpenEMR does not say',
    { roles: 'role,section,object,level\nfront,patients,appt,admin\nfront,,appt,view\nFront,patients,appt,view\n' },
    [
      'roles:2 level "admin" is not view, addonly, wsome, write',
      'roles:3 "/appt" is no section and object',
      'roles:4 "Front" is no role name',
    ],
  ],
  [
    'an OpenEMR row twice',
    { roles: 'role,section,object,level\nfront,patients,appt,view\nfront,patients,appt,view\n' },
    ['roles:3 front, patients/appt, view stands on line 2 already'],
  ],
  [
    'bounds for OpenEMR',
    { roles: 'role,section,object,level\nfront,patients,appt,view\n', bounds: boundsHeader },
    ['bounds:1 an OpenEMR table has no limited cells'],
  ],
  [
    'a role larger than an entry',
    { roles: header + Array.from({ length: 1_001 }, (_, index) => `a,type${index},read,permit,x\n`).join('') },
    ['roles:1 role "a": role.permissions holds more than 1000'],
  ],
]

for (const [what, tables, expected] of bad) {
  t.test(`${what}: refused with line numbers, nothing imported`, async (t) => {
    const problems = problemsOf(tables)
    t.equal(problems.length, expected.length, problems.join('\n'))
    for (const [index, start] of expected.entries()) t.ok(problems[index]?.startsWith(start), `${problems[index]} / ${start}`)
  })
}

t.test('without a bounds file limited cells give nothing, and a finding says how many', async (t) => {
  const imported = importRoles({ roles: `${header}a,imaging,read,limited,x\na,imaging,update,permit,x\n` })
  if (imported.kind !== 'roles') throw new Error('the table is well formed')
  t.same(
    imported.roles.map(({ role, permissions }) => [role, permissions.map(({ id }) => id)]),
    [['a', ['imaging.update']]],
  )
  t.match(imported.findings[0], { kind: 'limited_left_out', roles: ['a'], message: /--bounds.*a 1$/ })
})
