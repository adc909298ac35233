/** The commands of the guide to explaining and simulating run as they are printed. */
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { Effect } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import { clientsOf, hire, readRecord, registerTestClinic } from './support/clinic.ts'
import { type Chartwarden, commandLine } from './support/command-line.ts'
import { documentedCommands } from './support/documented-commands.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService, type TestService } from './support/service.ts'

const clinic = 'northside'
const page = path.resolve(import.meta.dirname, '../docs/how-to/explain-and-simulate.md')
const service: TestService = await startTestService(t, { database: await createTestDatabase(t) })
const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
const chartwarden: Chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })

t.before(async () => {
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')
  await clients.policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: {
      role: 'hygienist',
      title: 'Hygienist',
      permissions: [{ resourceType: 'imaging', actions: ['read'], effect: Effect.PERMIT, purposes: ['TREAT'] }],
    },
  })
  await hire(clients, clinic, 'henry', 'hygienist')
  for (const id of ['img-7', 'img-8']) {
    await clients.directory.putResource({
      requestId: randomUUID(),
      clinic,
      description: { resource: { type: 'imaging', id, patientId: 'p-1' } },
    })
  }
  await clients.access.check(readRecord(clinic, 'anna'))
  await clients.access.check({ ...readRecord(clinic, 'henry'), resource: { type: 'imaging', id: 'img-7', patientId: 'p-1001' } })
})

const roles = `roles:
  - role: dentist
    title: Dentist
    permissions:
      - {resource_type: treatment_record, actions: [update], effect: permit}
`

t.test('somebody follows the guide', async (t) => {
  const file = path.join(t.testdir(), 'roles.yaml')
  writeFileSync(file, roles)
  const said: string[] = []
  for (const { command, exits } of documentedCommands(page)) {
    const [npx, name, ...argv] = command.replaceAll('roles.yaml', file).split(' ')
    t.same([npx, name], ['npx', 'chartwarden'])
    const { code, out, err } = await chartwarden(...argv)
    t.equal(code, exits, `${command}\n${err}`)
    said.push(out)
  }
  t.equal(said.length, 8)
  const [why = '', who = '', what = '', onOne = '', records = '', ...simulated] = said
  t.match(why, /^deny: not_own_patient by role\/dentist#imaging\.read\n {2}not met {2}permission role\/dentist#imaging\.read\n/)
  t.match(why, /one way each:\n {2}- Put this subject on the care team of the patient\.\n/)
  t.match(who, /staff:anna +role\/dentist#treatment_record\.read/)
  t.match(what, /treatment_record +- +read/)
  t.notMatch(onOne, /img-7/)
  t.notMatch(records, /img-7/)
  t.match(simulated[0], /staff:anna +read +treatment_record +TREAT +permit: role_permits.*deny: .*2 questions decided with both, 1 would/s)
  t.match(simulated[1], /staff:henry +read +imaging .*1 would be answered otherwise/s)
  t.match(simulated[2], /1 question decided with both, 1 would/)
})

t.test('what henry can do is his role, with records by their names', async (t) => {
  const asked = ['what-can', '--clinic', clinic, '--subject', 'staff:henry', '--purpose', 'TREAT']
  const { out, err } = await chartwarden(...asked, '--records', 'imaging', '--action', 'read')
  t.match(out, /imaging:img-7 +p-1 +read.*|imaging:img-8 +p-1 +read/s)
  t.match(err, /2 records, as of revision \d+\./)
  const json = JSON.parse((await chartwarden('--json', ...asked, '--resource', 'imaging')).out) as { rows: { action: string }[] }
  t.match(json, { rows: [{ action: 'read', resource: { type: 'imaging', id: '' } }], complete_to_revision: /^\d+$/ })
})

t.test('settings are tried as they are shown', async (t) => {
  const shown = await chartwarden('settings', 'show', '--clinic', clinic, '--json')
  const file = path.join(t.testdir(), 'settings.json')
  writeFileSync(file, shown.out)
  const last = ['simulate', '--clinic', clinic, '--last', '10', '--settings']
  t.match(await chartwarden(...last, file), { code: 0, out: /^2 questions decided with both, 0 would be answered otherwise\.\n/ })
  writeFileSync(file, '{"settings":{"own_record":"always"}}')
  t.match(await chartwarden(...last, file), { code: 2, err: /proposed\.settings\.own_record/ })
  writeFileSync(file, '{"settings":{"unheard_of":1}}')
  t.match(await chartwarden(...last, file), { code: 2, err: /does not hold settings/ })
})

t.test('what is wrong with a command is said, and what it ends with', async (t) => {
  const question = ['--subject', 'staff:anna', '--action', 'read', '--resource', 'imaging:i', '--purpose', 'TREAT']
  t.match(await chartwarden('explain', '--clinic', clinic), { code: 2, err: /check\.subject: is required.*check\.purpose/s })
  t.match(await chartwarden('explain', '--clinic', clinic, ...question, '--on-behalf-of', 'staff:anna'), { code: 4, err: /may not/ })
  t.match(await chartwarden('explain', '--clinic', 'elsewhere', ...question), { code: 4, err: /no such clinic/ })
  t.match(await chartwarden('who-can', '--clinic', clinic, '--action', 'read'), { code: 2, err: /--resource/ })
  t.match(await chartwarden('what-can', '--clinic', clinic, '--subject', 'staff:anna', '--purpose', 'TREAT', '--records', 'imaging'), {
    code: 2,
    err: /action\.name: is required/,
  })
  t.match(await chartwarden('simulate', '--clinic', clinic, '--last', '5', ...question), { code: 2, err: /--last/ })
  t.match(await chartwarden('simulate', '--clinic', clinic, '--retire', 'nobody', '--last', '5'), {
    code: 2,
    err: /proposed\.retire_roles\[0\]: No such role/,
  })
  t.match(await chartwarden('simulate', '--clinic', clinic, '--roles', '/nowhere.yaml', '--last', '5'), { code: 2, err: /cannot be read/ })
})
