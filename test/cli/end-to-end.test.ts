/** Every command against a running service: what a person types, what is printed and what the process ends with. */
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parse } from 'csv-parse/sync'
import t from 'tap'
import { createConnection } from '../../cli/connection.ts'
import { demoCallers, demoScopes, runDemo } from '../../cli/demo/run-demo.ts'
import { suggestions } from '../../cli/demo/suggestions.ts'
import { developmentToken } from '../../cli/development-token.ts'
import type { Io } from '../../cli/io.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { commandLine } from '../support/command-line.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { waitFor } from '../support/wait-for.ts'

t.setTimeout(240_000)

const root = path.resolve(import.meta.dirname, '../..')
const builtin = (name: string): string => path.join(root, 'services/access/policy/builtin', name)
const openEmr = path.join(root, 'test/fixtures/roles/openemr-acl.csv')

const stateDir = scratchDirectory(t, 'cli')
const database = await createTestDatabase(t)
const service = await startServiceProcess(t, { ...testEnvironment(database, stateDir), CHARTWARDEN_LOG_LEVEL: 'info' })
const environment = { CHARTWARDEN_STATE_DIR: stateDir, CHARTWARDEN_GRPC_ADDR: service.address }
const chartwarden = commandLine(environment)

const head = async (clinic: string): Promise<number> => Number((await chartwarden('ledger', 'head', '--clinic', clinic)).out)
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>

/** As `chartwarden demo` calls, but broken off after so many steps. */
const breakOffDemo = async (steps: number): Promise<void> => {
  const io = { environment, clock: systemClock, randomness: systemRandomness } as unknown as Io
  const connect = async (scopes: readonly Scope[], subject: string) =>
    createConnection({
      address: service.address,
      token: await developmentToken(io, { clinics: ['demo'], scopes, subject, seconds: 60 }),
      timeoutMs: 30_000,
    })
  const software = await connect(demoScopes.software, demoCallers.software)
  const forPersons = await connect(demoScopes.forPersons, demoCallers.forPersons)
  let done = 0
  const onStep = (): void => {
    done += 1
    if (done === steps) throw new Error('broken off')
  }
  try {
    await runDemo({ software, forPersons, onStep })
  } finally {
    software.close()
    forPersons.close()
  }
}

t.test('a demo that was broken off is taken up, and one that ran to its end adds nothing', async (t) => {
  await t.rejects(breakOffDemo(20), /broken off/, 'while people are enrolled')
  await t.rejects(breakOffDemo(50), /broken off/, 'in the middle of the day')
  const broken = await head('demo')
  const taken = await chartwarden('demo', '--json')
  t.equal(taken.code, 0, taken.err)
  t.match(json(taken.out), { clinic: 'demo', ran_before: false, unexpected: { length: 0 } })
  const end = await head('demo')
  t.ok(end > broken)
  t.equal(end, Number(json(taken.out).head_revision))

  const again = await chartwarden('demo')
  t.equal(again.code, 0, again.err)
  t.match(again.out, /there already; nothing was added/)
  t.equal(await head('demo'), end)

  const types = lines((await chartwarden('ledger', 'read', '--clinic', 'demo', '--until', String(end))).out).map((line) => json(line).type)
  const number = (type: string): number => types.filter((each) => each === `chartwarden.${type}.v1`).length
  t.equal(number('access.decided'), json(taken.out).questions, 'each question is in the ledger once')
  t.equal(number('access.recorded'), json(taken.out).performed)
  t.equal(number('staff.offboarded'), 1)
})

t.test('the commands that the demo prints work when pasted into a shell', { skip: process.platform === 'win32' }, async (t) => {
  const { out } = await chartwarden('demo')
  const printed = suggestions({ address: service.address, stateDirectory: stateDir })
  for (const command of printed) {
    t.ok(out.includes(`  ${command}\n`), command)
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
      cwd: root,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: process.env.HOME },
    })
    t.equal(status, 0, stderr)
    t.not(stdout, '')
  }
})

t.test('check ends with 0 for permit, 3 for deny and 2 for a request that is wrong', async (t) => {
  const ask = (...more: string[]) =>
    chartwarden('check', '--clinic', 'demo', '--action', 'read', '--resource', 'imaging:img-1003-1', '--patient', 'p-1003', ...more)
  const permit = await ask('--subject', 'staff:d-1', '--purpose', 'TREAT')
  t.equal(permit.code, 0)
  t.match(permit.out, /^permit: role_permits by role\/dentist#imaging\.read\n {2}entry [0-9a-f-]{36}, revision \d+/)
  t.equal(permit.err, '')
  const deny = await ask('--subject', 'staff:d-2', '--purpose', 'TREAT')
  t.equal(deny.code, 3)
  t.match(deny.out, /^deny: not_own_patient/)
  const wrong = await ask('--subject', 'staff:d-1', '--purpose', 'CURIOSITY')
  t.equal(wrong.code, 2)
  t.match(wrong.err, /purpose.*INVALID_ARGUMENT/)
  t.equal(wrong.out, '')
})

t.test('a permit that comes with duties is a deny for software that carries out none', async (t) => {
  const ask = (...more: string[]) =>
    chartwarden(
      'check',
      '--clinic',
      'demo',
      '--subject',
      'staff:r-1',
      '--action',
      'read',
      '--resource',
      'medical_history:mh-1',
      '--patient',
      'p-1001',
      '--purpose',
      'PATADMIN',
      ...more,
    )
  t.match(await ask(), { code: 3, out: /^deny: obligation_unsupported/ })
  t.match(await ask('--supports', 'fields,mask'), {
    code: 0,
    out: /^permit: .*\n {2}with fields \(alerts, planned_procedure, duration, next_visit\)\n/,
  })
})

t.test('a repeated request id is the same answer and no second entry', async (t) => {
  const ask = () =>
    chartwarden(
      'check',
      '--clinic',
      'demo',
      '--subject',
      'staff:d-1',
      '--action',
      'read',
      '--resource',
      'imaging:i',
      '--patient',
      'p-1001',
      '--purpose',
      'TREAT',
      '--request-id',
      '0b8b9a52-6d0f-4d0e-8a44-0e3f6d1c2b3a',
      '--json',
    )
  const first = json((await ask()).out)
  const before = await head('demo')
  const second = json((await ask()).out)
  t.strictSame({ ...second, replayed: false }, first)
  t.equal(second.replayed, true)
  t.equal(await head('demo'), before)
})

t.test('a clinic is added once', async (t) => {
  const add = () =>
    chartwarden('clinic', 'add', 'north', '--title', 'North', '--time-zone', 'Europe/Berlin', '--administrator', 'staff:admin')
  t.match(await add(), { code: 0, out: /^Clinic north is registered/ })
  t.match(await add(), { code: 6, err: /CLINIC_EXISTS/ })
  t.match(await chartwarden('clinic', 'add', 'Not A Clinic', '--title', 'x', '--time-zone', 'Mars/Phobos', '--administrator', 'staff:a'), {
    code: 2,
  })
  t.match(json((await chartwarden('clinic', 'list', '--clinic', 'north,demo', '--json')).out), {
    rows: [{ clinic: 'demo' }, { clinic: 'north' }],
  })
})

t.test('both role tables are imported by their headers, and a repeat changes nothing', async (t) => {
  const clinicTable = [
    'import',
    'roles',
    builtin('clinic-roles.csv'),
    '--bounds',
    builtin('clinic-bounds.csv'),
    '--purposes',
    builtin('clinic-purposes.csv'),
    '--clinic',
    'north',
  ]
  const outcomes = async (argv: readonly string[]): Promise<string[]> => {
    const { code, out, err } = await chartwarden(...argv, '--json')
    t.equal(code, 0, err)
    return (json(out).roles as { outcome: string }[]).map(({ outcome }) => outcome)
  }
  t.strictSame(await outcomes([...clinicTable, '--dry-run']), Array(6).fill('not sent'))
  t.strictSame(await outcomes(clinicTable), Array(6).fill('defined'))
  const before = await head('north')
  t.strictSame(await outcomes(clinicTable), Array(6).fill('unchanged'))
  t.equal(await head('north'), before)

  const { code, out } = await chartwarden('import', 'roles', openEmr, '--clinic', 'north')
  t.equal(code, 0)
  t.match(out, /^admin\s+65\s+new\s+defined/m)
  t.match(out, /look at this: .*admin.*breakglass/)
  t.strictSame(await outcomes(['import', 'roles', openEmr, '--clinic', 'north']), Array(6).fill('unchanged'))
})

t.test('an import after somebody changed a role puts the table back', async (t) => {
  const directory = t.testdir()
  const file = (name: string, effect: string): string => {
    const table = path.join(directory, name)
    writeFileSync(table, `role,resource_type,action,effect\nporter,appointment,read,permit\nporter,appointment,update,${effect}\n`)
    return table
  }
  const run = async (table: string): Promise<unknown> =>
    json((await chartwarden('import', 'roles', table, '--clinic', 'north', '--json')).out).roles
  const narrow = file('narrow.csv', 'deny')
  const wide = file('wide.csv', 'permit')
  t.match(await run(narrow), [{ outcome: 'defined', permissions: 1 }])
  t.match(await run(wide), [{ outcome: 'defined', permissions: 2 }])
  t.match(await run(narrow), [{ outcome: 'defined', permissions: 1 }])
  t.match(await run(narrow), [{ outcome: 'unchanged' }])
})

t.test('a table with a fault imports nothing and names file and line', async (t) => {
  const table = path.join(t.testdir(), 'faulty.csv')
  writeFileSync(table, 'role,resource_type,action,effect\nfront,imaging,read,permit\nfront,imaging,update,perhaps\n')
  const before = await head('north')
  const { code, err } = await chartwarden('import', 'roles', table, '--clinic', 'north')
  t.equal(code, 2)
  t.ok(err.includes(`${table}:3: `), err)
  t.equal(await head('north'), before)
  t.match(await chartwarden('import', 'roles', builtin('clinic-roles.csv'), '--clinic', 'north', '--dry-run'), {
    code: 0,
    out: /limited cells give nothing .*--bounds/,
  })
  writeFileSync(table, Buffer.from([0x72, 0xff, 0xfe, 0x00]))
  t.match(await chartwarden('import', 'roles', table, '--clinic', 'north'), { code: 2, err: /UTF-8/ })
})

t.test('a person is enrolled, given a role, loses it, leaves and returns', async (t) => {
  const staff = (command: string, ...more: string[]) => chartwarden('staff', command, ...more, '--clinic', 'north')
  t.match(await staff('enrol', 'staff:sam', '--member-of', 'lab:x,lab:y'), { code: 0, out: /^staff:sam is enrolled/ })
  t.match(await staff('enrol', 'staff:sam'), { code: 6, err: /SUBJECT_EXISTS/ })
  const granted = await staff('grant', 'staff:sam', 'receptionist', '--reason', 'Front desk', '--json')
  t.equal(granted.code, 0, granted.err)
  t.match(await staff('grant', 'staff:sam', 'no_such_role', '--reason', 'x'), { code: 6, err: /ROLE_UNKNOWN/ })
  t.match((await staff('show', 'staff:sam')).out, /^staff:sam: active.*\n {2}works for lab:x, lab:y\n.*\nreceptionist .*Front desk/)
  t.match(await staff('update', 'staff:sam'), { code: 2, err: /--own-patient/ })
  t.match(await staff('update', 'staff:sam', '--own-patient', ''), { code: 2, err: /--no-own-patient/ })
  t.match(await staff('update', 'staff:sam', '--own-patient', 'p-20'), { code: 0, out: /^staff:sam is updated.\n {2}entry / })
  t.match((await staff('show', 'staff:sam')).out, /works for lab:x, lab:y\n {2}is a patient of the clinic too\n/)
  t.match(await staff('update', 'staff:sam', '--no-own-patient', '--member-of', 'lab:z'), { code: 0 })
  const updated = (await staff('show', 'staff:sam')).out
  t.match(updated, /works for lab:z\n/)
  t.notMatch(updated, /patient/)
  t.match(await staff('update', 'staff:sam', '--no-own-patient', '--no-member-of', '--json'), { code: 0, out: /"entry":/ })
  t.notMatch((await staff('show', 'staff:sam')).out, /works for/)
  t.match(await staff('update', 'staff:nobody', '--no-own-patient', '--no-member-of'), { code: 6, err: /SUBJECT_UNKNOWN/ })
  t.match(await staff('revoke', 'staff:sam', '--grant', String(json(granted.out).grant_id), '--reason', 'Moved'), { code: 0 })
  t.match(await staff('revoke', 'staff:sam', '--role', 'receptionist', '--reason', 'Moved'), { code: 6, err: /GRANT_UNKNOWN/ })
  t.match(await staff('grant', 'staff:sam', 'receptionist', '--reason', 'Back', '--until', '2099-01-01T00:00:00Z'), { code: 0 })

  const leave = () => chartwarden('offboard', 'staff:sam', '--clinic', 'north', '--reason', 'Left')
  t.match(await leave(), { code: 0, out: /no access any more; ended: 1 grant, 0 shares, 0 relationships, 0 emergency accesses/ })
  t.match((await staff('list', '--former')).out, /^staff:sam\s+offboarded/m)
  t.notMatch((await staff('list')).out, /staff:sam/)
  t.match(await staff('enrol', 'staff:sam'), { code: 6, err: /SUBJECT_FORMER/ })
  t.match(await staff('reinstate', 'staff:sam', '--reason', 'Returned'), { code: 0, out: /holds nothing/ })
  t.match((await staff('show', 'staff:sam')).out, /holds no role/)
  t.match(await staff('show', 'staff:nobody'), { code: 6, err: /SUBJECT_UNKNOWN/ })
})

t.test('offboarding somebody unknown does not look like success', async (t) => {
  const text = await chartwarden('offboard', 'staff:smaantha', '--clinic', 'north', '--reason', 'Left')
  t.equal(text.code, 7)
  t.match(text.err, /WARNING: NOBODY CALLED staff:smaantha WAS KNOWN/)
  t.notMatch(text.out, /no access any more/)
  const machine = await chartwarden('offboard', 'staff:smanatha', '--clinic', 'north', '--reason', 'Left', '--json')
  t.equal(machine.code, 7)
  t.match(json(machine.out), { unknown_subject: true })
  t.match(json(machine.err), { warning: { reason: 'SUBJECT_UNKNOWN' } })
  t.match(await chartwarden('offboard', 'staff:sam', '--clinic', 'north', '--reason', 'x', '--effective', '2099-01-01T00:00:00Z'), {
    code: 6,
    err: /FUTURE_EFFECTIVE/,
  })
})

t.test('the access report is the same in all its formats, and says to where it is complete', async (t) => {
  const revision = String(await head('demo'))
  const report = (...more: string[]) =>
    chartwarden('report', 'access', '--clinic', 'demo', '--patient', 'p-1003', '--wait-for-revision', revision, ...more)
  const table = await report()
  t.equal(table.code, 0, table.err)
  t.match(table.err, /^\d+ rows, complete to revision \d+\.\n$/)
  t.match(table.out, /^OCCURRED_AT/)
  const csv = parse((await report('--format', 'csv')).out, { columns: true }) as Record<string, string>[]
  const [end, ...reversed] = lines((await report('--format', 'ndjson')).out)
    .map(json)
    .reverse()
  const rows = reversed.reverse()
  t.match(end, { end: { complete_to_revision: /^\d+$/, rows: rows.length } })
  const whole = json((await report('--json')).out) as { rows: unknown[]; complete_to_revision: string }
  t.ok(Number(whole.complete_to_revision) >= Number(revision))
  t.strictSame(whole.rows, rows)
  t.equal(csv.length, rows.length)
  t.equal(lines(table.out).length, rows.length + 1)
  t.strictSame(
    csv.map(({ entry_id }) => entry_id),
    rows.map(({ entry }) => (entry as { id: string }).id),
  )
  t.ok(csv.every(({ patient_id }) => patient_id === 'p-1003'))
  t.ok(csv.some(({ subject, kind }) => subject === 'lab:t-1' && kind === 'performed'))
  t.ok(
    csv.some(({ reason }) => reason === 'Allergies before booking'),
    'why, in words',
  )
})

t.test('waiting for a revision that does not come ends with --timeout', async (t) => {
  const { code, err } = await chartwarden('report', 'access', '--clinic', 'demo', '--wait-for-revision', '99999', '--timeout', '1')
  t.equal(code, 5, err)
})

t.test('the access report is narrowed by every filter', async (t) => {
  const revision = String(await head('demo'))
  const rows = async (...filter: string[]): Promise<Record<string, string>[]> => {
    const { code, out, err } = await chartwarden(
      'report',
      'access',
      '--clinic',
      'demo',
      '--format',
      'csv',
      '--wait-for-revision',
      revision,
      ...filter,
    )
    t.equal(code, 0, err)
    return parse(out, { columns: true }) as Record<string, string>[]
  }
  t.ok((await rows('--kind', 'probed')).every(({ kind }) => kind === 'probed'))
  t.ok((await rows('--kind', 'probed')).length >= 11)
  t.notOk(
    (await rows()).some(({ kind }) => kind === 'probed'),
    'probes only when asked for',
  )
  const lab = await rows('--subject', 'lab:t-1', '--type', 'imaging,lab_report', '--action', 'read', '--purpose', 'TREAT')
  t.ok(lab.length >= 2)
  t.ok(lab.every(({ subject, action }) => subject === 'lab:t-1' && action === 'read'))
  t.strictSame(await rows('--until', '2020-01-01T00:00:00Z'), [])
  t.ok((await rows('--from', '2020-01-01T00:00:00Z', '--subject', 'staff:d-2')).some(({ reason }) => reason?.startsWith('Network outage')))
  t.ok((await rows('--subject', 'staff:d-3')).some(({ flags, kind }) => flags === 'after_exit' && kind === 'refused'))
  const flagged = await rows('--flag', 'after_exit')
  t.ok(flagged.length > 0 && flagged.every(({ flags }) => flags?.includes('after_exit')), 'and those alone can be asked for')
})

t.test('a record name that a spreadsheet would run leaves as text', async (t) => {
  const formula = '=HYPERLINK("http://example.org")'
  await chartwarden(
    'check',
    '--clinic',
    'demo',
    '--subject',
    'staff:d-1',
    '--action',
    'read',
    '--resource',
    `treatment_record:${formula}`,
    '--patient',
    'p-1001',
    '--purpose',
    'TREAT',
  )
  const revision = String(await head('demo'))
  const { out } = await chartwarden(
    'report',
    'access',
    '--clinic',
    'demo',
    '--format',
    'csv',
    '--patient',
    'p-1001',
    '--wait-for-revision',
    revision,
  )
  const cells = (parse(out, { columns: true }) as Record<string, string>[]).map(({ resource_id }) => resource_id)
  t.ok(cells.includes(`'${formula}`))
  t.notOk(cells.includes(formula))
})

t.test('the report on leavers counts what was tried after the exit', async (t) => {
  const report = async (): Promise<Record<string, string>[]> =>
    parse((await chartwarden('report', 'offboardings', '--clinic', 'demo', '--format', 'csv')).out, { columns: true }) as Record<
      string,
      string
    >[]
  await waitFor('the report to be complete', async () =>
    (await report()).some(({ attempts_after_exit }) => Number(attempts_after_exit) >= 3),
  )
  t.match(await report(), [
    { subject: 'staff:d-3', decided_by: 'staff:a-1', reason: 'Fixed-term contract ended', grants_ended: 'dentist', unknown_subject: '' },
  ])
})

t.test('the report on roles shows who held what, now and before', async (t) => {
  const grants = async (...more: string[]): Promise<string[]> =>
    (json((await chartwarden('report', 'grants', '--clinic', 'demo', '--json', ...more)).out).rows as { role: string }[]).map(
      ({ role }) => role,
    )
  await waitFor('the report to be complete', async () => (await grants()).length === 10)
  t.strictSame((await grants('--subject', 'staff:d-1')).sort(), ['administrator', 'clinic_admin', 'dentist'])
  t.strictSame(await grants('--subject', 'staff:d-3'), [])
  t.strictSame(await grants('--as-of', '2020-01-01T00:00:00Z'), [])
})

t.test('the ledger is read whole, in order, and the entry of this reading is in it', async (t) => {
  const { code, out } = await chartwarden('ledger', 'read', '--clinic', 'north', '--unseal')
  t.equal(code, 0)
  const entries = lines(out).map(json)
  t.strictSame(
    entries.map(({ revision }) => revision),
    entries.map((_, index) => String(index)),
  )
  t.equal(entries.at(-1)?.type, 'chartwarden.trail.viewed.v1')
  t.ok(entries.some((entry) => JSON.stringify(entry.private) === '{"id":"sam","type":"staff"}'))
  const sealed = lines((await chartwarden('ledger', 'read', '--clinic', 'north', '--from', '1', '--until', '1')).out).map(json)
  t.match(sealed, [{ revision: '1', private_state: 'no_scope', private: null }])
})

t.test('reading may go on with what comes, until it is told to stop', async (t) => {
  const from = String((await head('north')) + 1)
  const child = spawn(
    process.execPath,
    [path.join(root, 'cli/launch.js'), 'ledger', 'read', '--clinic', 'north', '--from', from, '--follow'],
    {
      env: { ...environment, PATH: process.env.PATH } as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  t.teardown(() => void child.kill('SIGKILL'))
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
  let asked = false
  for await (const line of createInterface(child.stdout)) {
    const { type } = json(line)
    if (type === 'chartwarden.trail.viewed.v1' && !asked) {
      asked = true
      await chartwarden(
        'check',
        '--clinic',
        'north',
        '--subject',
        'staff:nobody',
        '--action',
        'read',
        '--resource',
        'imaging:i',
        '--purpose',
        'TREAT',
      )
    }
    if (type === 'chartwarden.access.decided.v1') break
  }
  child.kill('SIGINT')
  t.equal(await ended, 'SIGINT')
})

t.test("a token of one's own is used as it is, from option, variable or file", async (t) => {
  const made = await chartwarden('token', '--clinic', 'north', '--scope', 'staff.read', '--subject', 'hr-tool', '--ttl', '60')
  t.match(made.out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/)
  const token = made.out.trim()
  const claims = json(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
  t.match(claims, { sub: 'hr-tool', clinic: 'north', scope: 'staff.read' })
  const remaining = Number(claims.exp) - Date.now() / 1000
  t.ok(remaining > 0 && remaining <= 60, String(remaining))
  const file = path.join(t.testdir(), 'token')
  writeFileSync(file, `${token}\n`)
  const elsewhere = { CHARTWARDEN_GRPC_ADDR: service.address, CHARTWARDEN_STATE_DIR: '/nonexistent' }
  const list = ['staff', 'list', '--clinic', 'north']
  t.match(await commandLine(elsewhere)(...list, '--token', token), { code: 0 })
  t.match(await commandLine(elsewhere)(...list, '--token', `@${file}`), { code: 0 })
  t.match(await commandLine({ ...elsewhere, CHARTWARDEN_TOKEN: token })(...list), { code: 0 })
  t.match(await chartwarden('report', 'grants', '--clinic', 'north', '--token', token), { code: 4, err: /SCOPE_MISSING/ })
  t.match(await chartwarden('staff', 'list', '--clinic', 'demo', '--token', token), { code: 4, err: /CLINIC_NOT_ALLOWED/ })
  t.match(await chartwarden(...list, '--token', 'not-a-token'), { code: 4, err: /TOKEN_REFUSED/ })
})

t.test("a person named is decided against that person's own roles", async (t) => {
  const enrol = (who: string, person: string) => chartwarden('staff', 'enrol', person, '--clinic', 'demo', '--on-behalf-of', who)
  t.match(await enrol('staff:h-1', 'staff:new-1'), { code: 4, err: /NOT_PERMITTED/ })
  t.match(await enrol('staff:a-1', 'staff:new-1'), { code: 0 })
  t.match(await chartwarden('report', 'grants', '--clinic', 'demo', '--on-behalf-of', 'staff:c-1'), { code: 0 })
  t.match(await chartwarden('report', 'grants', '--clinic', 'demo', '--on-behalf-of', 'staff:r-1'), { code: 4 })
})

t.test('a clinic that nobody registered is refused like one that is not ours', async (t) => {
  t.match(await chartwarden('staff', 'list', '--clinic', 'nowhere'), { code: 4, err: /CLINIC_NOT_ALLOWED/ })
  t.match(await chartwarden('ledger', 'head', '--clinic', 'nowhere'), { code: 4, err: /CLINIC_NOT_ALLOWED/ })
})

t.test('--verbose says which token was made, and never shows it', async (t) => {
  const { err } = await chartwarden('staff', 'list', '--clinic', 'north', '--verbose')
  t.match(err, /development token for north: staff\.read\n/)
  t.notMatch(err, /eyJ/)
})

t.test('SIGTERM stops the service that the command started, with 0', async (t) => {
  t.equal(await service.stop('SIGTERM'), 0)
  t.match(await chartwarden('staff', 'list', '--clinic', 'north', '--timeout', '5'), { code: 5, err: /SERVICE_UNREACHABLE/ })
})
