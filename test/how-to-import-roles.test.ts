/** The commands of the page on importing roles do what the page says, from an empty service on. */
import path from 'node:path'
import t from 'tap'
import { commandLine } from './support/command-line.ts'
import { followPage } from './support/follow-page.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/import-roles.md')

t.test('somebody follows the guide', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const followed = await followPage(t, page, { chartwarden })
  const outOf = (command: string): string => followed.find((one) => one.command.includes(command))?.out ?? ''
  const changes = (out: string): readonly string[] => [
    ...new Set([...out.matchAll(/^\w+ +\d+ +(\w+) /gm)].map(([, change = '']) => change)),
  ]
  t.same(changes(outOf('--builtin')), ['new'])
  t.same(changes(outOf('roles.yaml --clinic northside --dry-run')), ['unchanged'], 'what is exported is in force')
  t.same(changes(outOf('import roles roles.csv')), ['unchanged'], 'in either form')
  t.same(changes(outOf('nurses.yaml')), ['new'])
  t.notMatch(outOf('nurses.yaml'), 'new to this clinic')
  t.match(outOf('role show nurse'), /reader/)
  t.match(outOf('role show nurse'), /own_patients/)
})

t.test('what is nearly known is pointed out, and imported', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const dir = t.testdir({
    'misspelt.csv':
      'role,title,inherits,confidentiality,sensitivities,id,resource_type,actions,effect,bounds,purposes,condition\n' +
      'nurse,Nurse,,,,,imagng,raed,limited,own_patient,TREAT,\n',
  })
  await chartwarden('clinic', 'add', 'northside', '--title', 'N', '--time-zone', 'UTC', '--administrator', 'staff:kim')
  await chartwarden('import', 'roles', '--builtin', '--clinic', 'northside')
  const { code, out } = await chartwarden('import', 'roles', path.join(dir, 'misspelt.csv'), '--clinic', 'northside')
  t.equal(code, 0)
  t.match(out, /new to this clinic: resource type "imagng" \(did you mean "imaging"\?\), action "raed" \(did you mean "read"\?\)/)
  t.match(out, /"own_patient" is a duty of the calling software and is not checked here \(did you mean "own_patients"\?\)/)
})
