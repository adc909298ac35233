/** The commands of the page on consent and confidentiality do what the page says, from an empty service on. */
import path from 'node:path'
import t from 'tap'
import { commandLine } from './support/command-line.ts'
import { followPage } from './support/follow-page.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/consent-and-confidentiality.md')

t.test('every command of the page ends as the page says, with the reason it says', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const followed = await followPage(t, page, { chartwarden })
  const reasons = followed.flatMap(({ command, out }) =>
    command.includes(' check ') ? (/^(?:permit|deny): (\w+)/.exec(out)?.[1] ?? '') : [],
  )
  t.same(reasons, [
    'confidentiality',
    'sensitivity',
    'patient_mismatch',
    'protected_person',
    'protected_person',
    'consent_denied',
    'role_permits',
  ])
})

t.test('a code and a type that are misspelt are taken, and the page tells the truth about it', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const clinic = ['--clinic', 'northside']
  await chartwarden('clinic', 'add', 'northside', '--title', 'N', '--time-zone', 'UTC', '--administrator', 'staff:kim')
  await chartwarden('import', 'roles', '--builtin', ...clinic)
  const { code, out, err } = await chartwarden('directory', 'resource', 'put', 'lab_reprot:l-1', ...clinic, '--sensitivities', 'hiv')
  t.equal(code, 0)
  t.match(out + err, /"lab_reprot"; did you mean "lab_report"\?/)
  t.match(out + err, /"hiv".*did you mean "HIV"\?/)
})
