/** Files that hold all that a role can say, in YAML and CSV: what they mean, and how what is wrong with them is said. */
import path from 'node:path'
import t from 'tap'
import { importRoles, type RoleTables } from '../../../../services/access/policy/import/import-roles.ts'
import { documentedFiles } from '../../../support/documented-commands.ts'

const imported = (roles: string) => {
  const result = importRoles({ roles })
  if (result.kind === 'problems') throw new Error(JSON.stringify(result.problems))
  return result
}
const problemsOf = (files: RoleTables) => {
  const result = importRoles(files)
  return result.kind === 'problems' ? result.problems.map(({ file, line, message }) => `${file}:${line} ${message}`) : []
}

const yaml = `# Who may read what
roles:
  - role: no
    title: 007
    inherits: [reader]
    clearance: {confidentiality: R, sensitivities: ['*']}
    permissions:
      - resource_type: imaging
        actions:
          - read
          - view
        effect: limited
        bounds:
          - {kind: own_patients}
          - kind: fields
            codes: [status, "a, b"]
        purposes: [TREAT]
        condition: |-
          subject.type == "staff"
            && resource.has_patient
  - role: reader
    title: Reader
`

const header = 'role,title,inherits,confidentiality,sensitivities,id,resource_type,actions,effect,bounds,purposes,condition\n'
const table = `${header}no,007,reader,R,*,,imaging,read view,limited,"own_patients; fields(status, ""a, b"")",TREAT,"subject.type == ""staff""
  && resource.has_patient"
reader,Reader,,,,,,,,,,
`

const expected = [
  {
    role: 'no',
    title: '007',
    inherits: ['reader'],
    permissions: [
      {
        id: 'imaging.read+view',
        resource_type: 'imaging',
        actions: ['read', 'view'],
        effect: 'limited',
        bounds: [
          { kind: 'own_patients', codes: [] },
          { kind: 'fields', codes: ['status', 'a, b'] },
        ],
        purposes: ['TREAT'],
        condition: 'subject.type == "staff"\n  && resource.has_patient',
      },
    ],
    clearance: { confidentiality: 'R', sensitivities: ['*'] },
  },
  { role: 'reader', title: 'Reader', inherits: [], permissions: [] },
]

t.test('YAML and a table say the same, and every scalar is text', async (t) => {
  t.match(imported(yaml), { format: 'yaml' })
  t.strictSame(imported(yaml).roles, expected)
  t.match(imported(table), { format: 'table' })
  t.strictSame(imported(table).roles, expected)
  t.strictSame(imported(`\ufeff---\r\n${yaml.replaceAll('\n', '\r\n')}`).roles, expected, 'with another line end and a byte order mark')
  t.strictSame(imported(JSON.stringify({ roles: expected })).roles, expected, 'JSON is YAML')
})

t.test('the example in the documentation is imported as it stands', async (t) => {
  const page = path.resolve(import.meta.dirname, '../../../../docs/how-to/import-roles.md')
  const example = documentedFiles(page).get('nurses.yaml') ?? ''
  t.match(imported(example).roles, [
    { role: 'reader' },
    { role: 'nurse', inherits: ['reader'], permissions: [{ id: 'lab_report.read', bounds: { length: 2 } }] },
  ])
})

t.test('blanks around what a table separates mean nothing', async (t) => {
  const row = (bounds: string) => `${header}a,A,,,,, imaging ,  read   view ,limited,"${bounds}", TREAT  COC ,\n`
  for (const bounds of ['own_patients;fields(x,y)', ' own_patients ; fields ( x , y ) ; ', 'own_patients ; fields(x, ""y"")']) {
    t.match(imported(row(bounds)).roles[0]?.permissions[0], {
      actions: ['read', 'view'],
      purposes: ['TREAT', 'COC'],
      bounds: [
        { kind: 'own_patients', codes: { length: 0 } },
        { kind: 'fields', codes: ['x', 'y'] },
      ],
    })
  }
})

const one = (member: string) => `roles:\n  - role: a\n    title: A\n    ${member}\n`
const permission = (member: string) =>
  one(`permissions:\n      - resource_type: imaging\n        actions: [read]\n        effect: permit\n        ${member}`)
const row = (...cells: readonly string[]) => `${header}${cells.join(',')}\n`

const bad: readonly (readonly [string, RoleTables, readonly string[]])[] = [
  ['no roles', { roles: 'roles: []\n' }, ['roles:1 the file has no roles']],
  ['something else', { roles: 'people: []\n' }, ['roles:1 the file has no member "people"']],
  ['a list at the top', { roles: '- role: a\n' }, ['roles:1 the file must have members: roles']],
  ['roles that are no list', { roles: 'roles:\n  a: b\n' }, ['roles:2 roles must be a list']],
  ['roles that are text', { roles: 'roles: a\n' }, ['roles:1 roles must be a list']],
  ['an unknown member', { roles: one('titel: B') }, ['roles:4 a role has no member "titel"']],
  ['a member twice', { roles: one('title: B') }, ['roles:4 this is not YAML as it is taken here: Map keys must be unique']],
  ['an unknown member of a permission', { roles: permission('allow: yes') }, ['roles:8 a permission has no member "allow"']],
  ['a merge', { roles: permission('<<: {effect: forbid}') }, ['roles:8 a permission has no member "<<"']],
  ['an anchor', { roles: permission('purposes: &p [TREAT]') }, ['roles:8 purposes: anchors are not taken']],
  ['an alias', { roles: permission('purposes: *p') }, ['roles:8 purposes: aliases are not taken']],
  ['a tag', { roles: permission('condition: !!binary dHJ1ZQ==') }, ['roles:8 condition: tags are not taken']],
  ['a tag that is known', { roles: one('inherits: !!seq [b]').replace('!!seq', '!!set') }, ['roles:4 this is not YAML']],
  ['a list where a text belongs', { roles: permission('condition: [a]') }, ['roles:8 condition must be text']],
  ['a text where a list belongs', { roles: permission('purposes: TREAT') }, ['roles:8 purposes must be a list']],
  ['a wrong line', { roles: 'roles:\n  - role: a\n   title: A\n' }, ['roles:3 this is not YAML as it is taken here']],
  ['a tab', { roles: 'roles:\n\t- role: a\n' }, ['roles:2 this is not YAML as it is taken here: Tabs']],
  ['two documents', { roles: 'roles: []\n---\nroles: []\n' }, ['roles:2 this is not YAML as it is taken here: a second document begins']],
  ['lists in lists', { roles: `roles: ${'['.repeat(100_000)}` }, ['roles:1 this YAML is nested too deeply']],
  [
    'what no role may be',
    {
      roles: one(
        'clearance: {confidentiality: X}\n    permissions:\n      - resource_type: imaging\n        effect: allow\n        actions:\n          - read\n          - read',
      ),
    },
    [
      'roles:4 role "a": role.clearance.confidentiality "X" is not',
      'roles:9 role "a": role.permissions[0].actions names the same twice',
      'roles:7 role "a": role.permissions[0].effect must be permit, limited or forbid',
    ],
  ],
  [
    'a condition with a fault',
    { roles: permission('condition: subject.type ==') },
    ['roles:8 role "a": role.permissions[0].condition line 1, column '],
  ],
  [
    'a role twice',
    { roles: 'roles:\n  - role: a\n    title: A\n    permissions: []\n  - role: a\n    title: A\n    permissions: []\n' },
    ['roles:5 role "a" stands on line 2 already'],
  ],
  [
    'other files beside it',
    { roles: yaml, bounds: 'x', purposes: 'x' },
    ['bounds:1 this format of roles holds its bounds', 'purposes:1 this format of roles holds its bounds'],
  ],
  ['other files beside a table', { roles: table, purposes: 'x' }, ['purposes:1 this format of roles holds its bounds and purposes itself']],
  ['a file without end', { roles: 'x'.repeat(16_000_001) }, ['roles:1 has more than 16000000 characters']],
  [
    'bounds that cannot be read',
    { roles: row('a', 'A', '', '', '', '', 'imaging', 'read', 'limited', '"fields(a"', '', '') },
    ['roles:2 the bounds cannot be read from "fields(a" on'],
  ],
  [
    'bounds with a torn text',
    { roles: row('a', 'A', '', '', '', '', 'imaging', 'read', 'limited', 'own_patients; fields(""\\x"")'.replace(/^|$/g, '"'), '', '') },
    ['roles:2 the bounds cannot be read from "fields(\\"\\\\x\\")" on'],
  ],
  [
    'rows of one role that disagree',
    {
      roles: `${header}a,A,,,,,imaging,read,permit,,,\nb,B,,,,,imaging,read,permit,,,\na,Another,b,R,HIV,,invoice,read,permit,,,\n`,
    },
    [
      'roles:4 title is another than on line 2',
      'roles:4 inherits is another than on line 2',
      'roles:4 confidentiality is another than on line 2',
      'roles:4 sensitivities is another than on line 2',
    ],
  ],
  [
    'a row without a permission among others',
    { roles: `${header}a,A,,,,,imaging,read,permit,,,\na,A,,,,,,,,,,\n` },
    [
      'roles:3 role "a": role.permissions[1].resource_type',
      'roles:3 role "a": role.permissions[1].actions',
      'roles:3 role "a": role.permissions[1].effect',
    ],
  ],
  [
    'faults of a table, each on its row',
    { roles: `${header}A,,,,,,imaging,read,permit,,,\nb,B,,,,x y,imaging,,allow,own_patients,FUN,\n` },
    [
      'roles:2 role "A": role.role',
      'roles:2 role "A": role.title',
      'roles:3 role "b": role.permissions[0].id',
      'roles:3 role "b": role.permissions[0].actions',
      'roles:3 role "b": role.permissions[0].effect',
      'roles:3 role "b": role.permissions[0].purposes "FUN" is no PurposeOfUse code',
    ],
  ],
]

for (const [what, files, starts] of bad) {
  t.test(`${what}: refused with line numbers, nothing imported`, async (t) => {
    const problems = problemsOf(files)
    t.equal(problems.length, starts.length, problems.join('\n'))
    for (const [index, start] of starts.entries()) t.ok(problems[index]?.startsWith(start), `${problems[index]} / ${start}`)
  })
}

t.test('a file that expands without end when it is read naively is refused at once', async (t) => {
  const bomb = ['roles:', '  - &a [x,x,x,x,x,x,x,x,x,x]']
  for (let level = 1; level < 30; level += 1)
    bomb.push(
      `  - &${'a'.repeat(level + 1)} [${Array(10)
        .fill(`*${'a'.repeat(level)}`)
        .join(',')}]`,
    )
  t.match(problemsOf({ roles: bomb.join('\n') })[0], /anchors are not taken/)
})

const withPermissions = (role: string, permissions: string, more = '') =>
  `  - role: ${role}\n    title: ${role}\n    ${more}\n    permissions: [${permissions}]\n`
const grant = (type: string, action: string) => `{resource_type: '${type}', actions: ['${action}'], effect: permit, purposes: [TREAT]}`

const findingsOf = (...roles: readonly string[]) =>
  imported(`roles:\n${roles.join('')}`).findings.map(({ kind, roles: named }) => [kind, ...named])

t.test('a role that can open emergencies and review them is one finding, however it came to both', async (t) => {
  const open = withPermissions('opener', grant('emergency_access', 'open'))
  const review = withPermissions('reviewer', grant('emergency_access', 'review'))
  t.same(findingsOf(open, review), [])
  t.same(findingsOf(open, review, withPermissions('both', '', 'inherits: [opener, reviewer]')), [['emergency_self_review', 'both']])
  t.same(findingsOf(withPermissions('any', grant('emergency_access', '*'))), [['emergency_self_review', 'any']])
  t.same(findingsOf(withPermissions('own', `${grant('emergency_access', 'open')}, ${grant('emergency_access', 'review')}`)), [
    ['emergency_self_review', 'own'],
  ])
})

t.test('standing emergency rights are found by their name, a right to open emergencies is not one', async (t) => {
  for (const name of ['breakglass', 'break_the_glass', 'emergency_login', 'btg']) {
    t.same(findingsOf(withPermissions(name, grant('imaging', 'read'))), [['standing_emergency', name]], name)
    t.same(findingsOf(withPermissions(name, grant('emergency_access', 'open'))), [], name)
  }
  t.same(findingsOf(withPermissions('glazier', grant('imaging', 'read'))), [])
})

t.test('rights over everything outside the administrators are found', async (t) => {
  t.same(findingsOf(withPermissions('owner', grant('*', '*'))), [
    ['administration_outside_administrators', 'owner'],
    ['emergency_self_review', 'owner'],
  ])
  t.same(findingsOf(withPermissions('deputy', grant('imaging', 'read'), 'inherits: [administrator]')), [
    ['administration_outside_administrators', 'deputy'],
  ])
  t.same(findingsOf(withPermissions('no_export', "{resource_type: '*', actions: ['*'], effect: forbid, purposes: [TREAT]}")), [])
})

t.test('roles that differ in what they are cleared for are not equal', async (t) => {
  const cleared = (name: string, level: string) => withPermissions(name, grant('imaging', 'read'), `clearance: {confidentiality: ${level}}`)
  t.same(findingsOf(cleared('a', 'R'), cleared('b', 'V')), [])
  t.same(findingsOf(cleared('a', 'R'), cleared('b', 'R')), [['equal_roles', 'a', 'b']])
})
