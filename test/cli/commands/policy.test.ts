/** Roles and settings by the command line, against the whole service. */
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { builtinRoles } from '../../../services/access/policy/builtin/builtin-roles.ts'
import { importRoles } from '../../../services/access/policy/import/import-roles.ts'
import type { RoleDefinition } from '../../../services/access/policy/roles.ts'
import { clientsOf, registerTestClinic } from '../../support/clinic.ts'
import { type Chartwarden, commandLine } from '../../support/command-line.ts'
import { createLedgerReader } from '../../support/ledger-reader.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { startTestService } from '../../support/service.ts'

const clinic = 'north'

const aClinic = async (t: Test) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const token = await service.token({ clinics: [clinic, 'south'] })
  const clients = clientsOf(service, token)
  await registerTestClinic(clients, clinic)
  const run = commandLine({ CHARTWARDEN_GRPC_ADDR: service.address, CHARTWARDEN_TOKEN: token })
  const ledgers = await createLedgerReader(t, database)
  const directory = t.testdir()
  const file = (name: string, text: string): string => {
    const at = path.join(directory, name)
    writeFileSync(at, text)
    return at
  }
  return { run, clients, ledgers, file }
}

const json = async (run: Chartwarden, ...argv: readonly string[]) => {
  const { code, out, err } = await run(...argv, '--json')
  if (code !== 0) throw new Error(err)
  return JSON.parse(out)
}

const nurses = `roles:
  - role: nurse_lead
    title: Lead nurse
    inherits: [nurse]
    permissions: []
  - role: nurse
    title: "=HYPERLINK(1)"
    clearance: {confidentiality: R, sensitivities: [HIV]}
    permissions:
      - resource_type: imaging
        actions: [read]
        effect: limited
        bounds: [{kind: own_patients}]
        purposes: [TREAT]
        condition: resource.properties.status == "final"
`

t.test('roles go out as files and come in again unchanged, into this clinic or another', async (t) => {
  const { run, clients, ledgers, file } = await aClinic(t)
  const dry = await run('import', 'roles', file('nurses.yaml', nurses), '--clinic', clinic, '--dry-run')
  t.match(dry, { code: 0, out: /nurse {2,}1 {2,}new {2,}not sent[\s\S]*nurse_lead {2,}0 {2,}new {2,}not sent/ })
  t.same(
    (await json(run, 'role', 'list', '--clinic', clinic)).rows.map(({ role }: RoleDefinition) => role),
    ['administrator', 'dentist'],
  )
  t.match(await json(run, 'import', 'roles', file('nurses.yaml', nurses), '--clinic', clinic), {
    format: 'yaml',
    roles: [
      { role: 'nurse', change: 'new', outcome: 'defined' },
      { role: 'nurse_lead', change: 'new', outcome: 'defined' },
    ],
  })
  const before = await ledgers.count(clinic)
  await clients.clinics.registerClinic({
    requestId: randomUUID(),
    clinic: 'south',
    title: 'S',
    timeZone: 'UTC',
    administrator: { type: 'staff', id: 'x' },
  })
  for (const format of ['yaml', 'csv'] as const) {
    const { out } = await run('role', 'export', '--clinic', clinic, '--format', format)
    t.notMatch(out, /(?:^|,)=HYPERLINK/m, 'no formula')
    const exported = importRoles({ roles: out })
    if (exported.kind !== 'roles') throw new Error(JSON.stringify(exported))
    t.same(
      exported.roles.map(({ role }) => role),
      ['dentist', 'nurse', 'nurse_lead'],
      'all but the reserved one',
    )
    const again = await json(run, 'import', 'roles', file(`roles.${format}`, out), '--clinic', clinic)
    t.same(
      again.roles.map(({ change, outcome }: { change: string; outcome: string }) => [change, outcome]),
      Array(3).fill(['unchanged', 'unchanged']),
    )
    await json(run, 'import', 'roles', file(`roles.${format}`, out), '--clinic', 'south')
    t.equal((await run('role', 'export', '--clinic', 'south', '--format', format)).out, out)
  }
  t.equal(await ledgers.count(clinic), before, 'nothing was put again')
})

t.test('a dry run says what would change, and changes nothing', async (t) => {
  const { run, ledgers, file } = await aClinic(t)
  await run('import', 'roles', file('nurses.yaml', nurses), '--clinic', clinic)
  const before = await ledgers.count(clinic)
  const changed = nurses.replace('title: Lead nurse', 'title: Head nurse').replace('"final"', '"signed"').replace('[read]', "['*']")
  const { code, out } = await run('import', 'roles', file('changed.yaml', changed), '--clinic', clinic, '--dry-run')
  t.equal(code, 0)
  t.match(out, /nurse: permission imaging\.\* is added: limited imaging \[\*\] inside own_patients for TREAT if .*"signed" {2}LOOSER/)
  t.match(
    out,
    /\nnurse: permission imaging\.read is removed: limited imaging \[read\] .*"final"\nnurse_lead: title: Lead nurse -> Head nurse\n/,
  )
  t.equal(await ledgers.count(clinic), before)
})

t.test('the preview names every member that changes, from what to what, and marks what opens something', async (t) => {
  const { run, file } = await aClinic(t)
  const guarded = (effect: string, purposes: string, condition: string, clearance: string) =>
    `roles:\n  - role: clerk\n    title: Clerk\n    clearance: {confidentiality: ${clearance}}\n    permissions:\n      - {id: bills, resource_type: invoice, actions: [read], effect: permit, purposes: [${purposes}]${condition}}\n      - {id: notes, resource_type: clinical_note, actions: [read], effect: ${effect}}\n`
  const strict = guarded('forbid', 'HPAYMT', ", condition: 'context.on_shift == true'", 'N')
  await run('import', 'roles', file('strict.yaml', strict), '--clinic', clinic)
  const loose = file('loose.yaml', guarded('permit', 'HPAYMT, TREAT', '', 'V'))
  const preview = ['import', 'roles', loose, '--clinic', clinic, '--dry-run']
  const { out } = await run(...preview)
  for (const line of [
    'clerk: clearance.confidentiality: N -> V  LOOSER: clears for more confidential records',
    'clerk: permission bills: purposes: HPAYMT -> HPAYMT, TREAT  LOOSER: permits for more purposes',
    'clerk: permission bills: condition: context.on_shift == true -> none  LOOSER: the condition is gone or another one',
    'clerk: permission notes: effect: forbid -> permit  LOOSER: what was forbidden is permitted',
    '4 changes marked LOOSER: somebody may do more than before.',
  ]) {
    t.ok(out.split('\n').includes(line), `${line}\n${out}`)
  }
  t.match(await json(run, ...preview), {
    roles: [
      {
        change: 'changed',
        differences: [
          { member: 'clearance.confidentiality', from: 'N', to: 'V', loosens: String },
          { permission: 'bills', member: 'purposes', from: ['HPAYMT'], to: ['HPAYMT', 'TREAT'], loosens: String },
          { permission: 'bills', member: 'condition', from: 'context.on_shift == true', to: null, loosens: String },
          { permission: 'notes', member: 'effect', from: 'forbid', to: 'permit', loosens: String },
        ],
      },
    ],
  })
  await run('import', 'roles', loose, '--clinic', clinic)
  const back = await run('import', 'roles', file('back.yaml', strict), '--clinic', clinic, '--dry-run')
  t.match(back.out, /effect: permit -> forbid\n/)
  t.notMatch(back.out, /LOOSER/)
})

t.test('the built-in roles are imported whole, clearances included', async (t) => {
  const { run, ledgers } = await aClinic(t)
  const builtin = ['import', 'roles', '--builtin', '--clinic', clinic]
  t.match(await json(run, ...builtin), { format: 'builtin', dry_run: false })
  for (const { role, ...definition } of builtinRoles()) {
    t.same((await json(run, 'role', 'show', role, '--clinic', clinic)).role, { role, ...definition })
  }
  const before = await ledgers.count(clinic)
  t.match(await run(...builtin), { code: 0, out: /dentist {2,}\d+ {2,}unchanged {2,}unchanged/ })
  t.equal(await ledgers.count(clinic), before)
  t.match(await run(...builtin, 'roles.csv'), { code: 2, err: /not both/ })
  t.match(await run('import', 'roles', '--clinic', clinic), { code: 2, err: /or --builtin/ })
  t.match(await run(...builtin, '--bounds', 'x.csv'), { code: 2, err: /cannot be used/ })
})

t.test('what a role would inherit of those in force is looked at too', async (t) => {
  const { run, file } = await aClinic(t)
  const emergency = (role: string, action: string, inherits = '') =>
    `roles:\n  - role: ${role}\n    title: ${role}\n    inherits: [${inherits}]\n    permissions:\n      - {resource_type: emergency_access, actions: [${action}], effect: permit, purposes: [TREAT]}\n`
  t.match(await json(run, 'import', 'roles', file('open.yaml', emergency('opener', 'open')), '--clinic', clinic), {
    findings: { length: 0 },
  })
  const lead = file('lead.yaml', emergency('lead', 'review', 'opener'))
  t.match(await json(run, 'import', 'roles', lead, '--clinic', clinic, '--dry-run'), {
    findings: [{ kind: 'emergency_self_review', roles: ['lead'] }],
  })
})

t.test('roles that could not all be put are not begun', async (t) => {
  const { run, ledgers, file } = await aClinic(t)
  const before = await ledgers.count(clinic)
  const cycle = nurses.replace('    title: "=HYPERLINK(1)"\n', '    title: Nurse\n    inherits: [nurse_lead]\n')
  for (const argv of [[], ['--dry-run']]) {
    const { code, err } = await run('import', 'roles', file('cycle.yaml', cycle), '--clinic', clinic, ...argv)
    t.equal(code, 2)
    t.match(err, /2 problems; nothing was changed[\s\S]*role "nurse": would inherit from itself: nurse -> nurse_lead -> nurse/)
  }
  const unknown = nurses.replace('inherits: [nurse]', 'inherits: [nurse, ghost]')
  t.match(await run('import', 'roles', file('unknown.yaml', unknown), '--clinic', clinic), { code: 2, err: /inherits "ghost"/ })
  const admin = 'roles:\n  - role: administrator\n    title: Me\n'
  t.match(await run('import', 'roles', file('admin.yaml', nurses + admin.slice(7)), '--clinic', clinic), { code: 2, err: /reserved/ })
  t.equal(await ledgers.count(clinic), before)
})

t.test('one role is put, shown with what it inherits, and retired', async (t) => {
  const { run, file } = await aClinic(t)
  const lead = 'roles:\n  - role: lead\n    title: Lead\n    inherits: [dentist]\n    clearance: {confidentiality: V}\n'
  const requestId = randomUUID()
  const put = ['role', 'put', file('lead.yaml', lead), '--clinic', clinic, '--reason', 'New', '--request-id', requestId]
  t.match(await run(...put), { code: 0, out: /Role lead is in force, 0 permissions\.\n {2}entry/ })
  t.match(await run(...put), { code: 0, out: /a repeat/ })
  t.match(await run('role', 'put', file('two.yaml', nurses), '--clinic', clinic, '--reason', 'x'), {
    code: 2,
    err: /holds 2 roles; one is put/,
  })
  t.match(await run('role', 'list', '--clinic', clinic), { code: 0, out: /lead {2,}Lead {2,}dentist {2,}0 {2,}V\n/ })
  t.match(await run('role', 'show', 'lead', '--clinic', clinic), {
    code: 0,
    out: /lead: Lead[\s\S]*inherits dentist\n {2}cleared for V\n {2}gives nothing/,
  })
  const effective = await run('role', 'show', 'lead', '--effective', '--clinic', clinic)
  t.match(effective, {
    code: 0,
    out: /cleared for V by lead\n[\s\S]*imaging {2,}read {2,}limited {2,}own_patients {2,}TREAT[\s\S]*lead -> dentist#imaging\.read/,
  })
  t.match(await json(run, 'role', 'show', 'lead', '--effective', '--clinic', clinic), {
    role: { role: 'lead' },
    effective: { rights: [{ path: ['lead', 'dentist'] }, {}, {}] },
  })
  t.match(await run('role', 'retire', 'dentist', '--clinic', clinic, '--reason', 'Over'), { code: 0, out: /Role dentist is over/ })
  t.match(await run('role', 'show', 'lead', '--effective', '--clinic', clinic), {
    out: /lead -> dentist is not in force and gives nothing/,
  })
  t.match(await run('role', 'retire', 'dentits', '--clinic', clinic, '--reason', 'Over'), {
    code: 6,
    err: /No role "dentits" is in force in this clinic; nothing was retired\. \(ROLE_UNKNOWN\)/,
  })
  t.match(await run('role', 'show', 'dentist', '--clinic', clinic), { code: 6, err: /No role "dentist" is in force/ })
  t.match(await run('role', 'export', 'lead', 'dentist', '--clinic', clinic), { code: 6 })
  t.match(await run('role', 'export', 'lead', '--clinic', clinic), {
    code: 0,
    out: `${lead.replace(' {confidentiality: V}', '\n      confidentiality: V')}    permissions: []\n`,
  })
})

t.test('settings are shown, and changed one by one', async (t) => {
  const { run } = await aClinic(t)
  const show = async () => (await json(run, 'settings', 'show', '--clinic', clinic)).settings
  t.match(await run('settings', 'show', '--clinic', clinic), {
    code: 0,
    out: /own_record {2,}deny\n[\s\S]*emergency\.max_minutes {2,}240\n/,
  })
  const set = (...argv: readonly string[]) => run('settings', 'set', '--clinic', clinic, '--reason', 'As agreed', ...argv)
  t.match(await set('--own-record', 'read', '--max-minutes', '120', '--consent-to-share', 'imaging,lab_report'), {
    code: 0,
    out: /The settings hold\.\n {2}entry [^\n]+\n {2}own_record: deny -> read\n {2}consent_to_share: none -> imaging, lab_report\n {2}emergency\.max_minutes: 240 -> 120\n$/,
  })
  t.match(await set('--protect-every-type', '--emergency', 'off'), { code: 0 })
  t.match(await show(), {
    own_record: 'read',
    open_resource_types: { length: 0 },
    protect_every_type: true,
    consent_to_share: ['imaging', 'lab_report'],
    emergency: { disabled: true, default_minutes: 60, max_minutes: 120, review_hours: 72 },
  })
  t.match(await run('settings', 'show', '--clinic', clinic), { out: /none, every type is protected/ })
  t.match(await set('--open-types', 'invoice', '--no-consent-to-share', '--emergency', 'on', '--overrides', 'consent'), { code: 0 })
  t.match(await show(), {
    open_resource_types: ['invoice'],
    protect_every_type: false,
    consent_to_share: { length: 0 },
    emergency: { disabled: false, overrides: ['consent'] },
  })
  t.match(await set('--default-minutes', '180'), { code: 2, err: /--default-minutes: is 180, more than max_minutes, which is 120/ })
  t.match(await set('--own-record', 'write'), { code: 2 })
  t.match(await set(), { code: 2, err: /at least one setting/ })
  t.match(await set('--open-types', 'invoice', '--protect-every-type'), { code: 2, err: /cannot be used/ })
})
