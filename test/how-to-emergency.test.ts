/** The commands of the guide to emergency access run as they are printed. */

import { randomUUID } from 'node:crypto'
import path from 'node:path'
import t from 'tap'
import { clientsOf, registerTestClinic } from './support/clinic.ts'
import { commandLine } from './support/command-line.ts'
import { followPage } from './support/follow-page.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'

const clinic = 'northside'
const page = path.resolve(import.meta.dirname, '../docs/how-to/emergency-access.md')

t.test('somebody follows the guide, from an empty service on', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const learn = (out: string): Record<string, string> => {
    const [, opened] = /^Emergency[^\n]*: ([0-9a-f-]{36})\.$/m.exec(out) ?? []
    return opened === undefined ? {} : { EMERGENCY: opened }
  }
  const followed = await followPage(t, page, { chartwarden, learn })
  t.match(
    followed.map(({ out }) => out).join(''),
    /Review due.*permit: emergency_access.*deny: no_grant.*Closed.*staff:mia .*p-1001.*unconscious.*Reviewed: justified.*resource_types +lab_report, patients\/med.*read_actions +read, view/s,
  )
  t.match(await chartwarden('emergency', 'list', '--clinic', clinic, '--json'), {
    code: 0,
    out: /^\{"rows":\[\],"complete_to_revision":"\d+"\}/,
  })
})

t.test('what is wrong with a command is said, and what it ends with', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const emergency = async (...argv: string[]) => chartwarden('emergency', ...argv, '--clinic', clinic)
  const open = ['open', 'staff:boss', 'p-1']
  t.match(await emergency(...open), { code: 2, err: /--reason/ })
  t.match(await emergency(...open, '--reason', 'why'), { code: 2, err: /reason.*10 characters/ })
  t.match(await emergency(...open, '--reason', 'long enough', '--minutes', '500'), { code: 2, err: /minutes.*240/ })
  t.match(await emergency(...open, '--reason', 'long enough', '--purpose', 'TREAT'), { code: 2, err: /BTG, ETREAT/ })
  t.match(await emergency(...open, '--reason', 'long enough'), { code: 4, err: /may not/ })
  t.match(await emergency('close', randomUUID()), { code: 6, err: /No such emergency/ })
  t.match(await emergency('review', randomUUID(), '--outcome', 'unclear'), { code: 2, err: /--on-behalf-of/ })
  t.match(await emergency('review', randomUUID(), '--outcome', 'fine', '--on-behalf-of', 'staff:boss'), { code: 2, err: /justified/ })
  t.match(await emergency('review', randomUUID(), '--outcome', 'unclear', '--on-behalf-of', 'staff:boss'), { code: 6 })
  t.match(await emergency('list'), { code: 0, out: /PERSON/ })
})
