/** The commands of the guide to emergency access run as they are printed. */

import { randomUUID } from 'node:crypto'
import path from 'node:path'
import t from 'tap'
import { Effect } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import { clientsOf, hire, registerTestClinic } from './support/clinic.ts'
import { commandLine } from './support/command-line.ts'
import { documentedCommands } from './support/documented-commands.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'

const clinic = 'northside'
const page = path.resolve(import.meta.dirname, '../docs/how-to/emergency-access.md')

/** What a shell makes of a line without expansions: words, and single quotes around some. */
const wordsOf = (line: string): string[] => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? (plain as string))

t.test('somebody follows the guide', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  const permit = (resourceType: string, action: string) => ({ resourceType, actions: [action], effect: Effect.PERMIT })
  for (const [role, resourceType, action] of [
    ['opener', 'emergency_access', 'open'],
    ['laboratory', 'lab_report', 'read'],
  ] as const) {
    await clients.policy.putRole({
      requestId: randomUUID(),
      clinic,
      role: { role, title: role, permissions: [permit(resourceType, action)] },
    })
  }
  await hire(clients, clinic, 'sam', 'opener')
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  let emergency = ''
  const said: string[] = []
  for (const { command, exits } of documentedCommands(page)) {
    const [npx, name, ...argv] = wordsOf(command.replace('$EMERGENCY', emergency))
    t.same([npx, name], ['npx', 'chartwarden'])
    const { code, out, err } = await chartwarden(...argv)
    t.equal(code, exits, `${command}\n${err}`)
    emergency ||= /: ([0-9a-f-]{36})\.$/m.exec(out)?.[1] ?? ''
    said.push(out)
  }
  t.match(
    said.join(''),
    /Review due.*permit: emergency_access.*deny: no_grant.*Closed.*staff:sam .*p-1001.*unconscious.*Reviewed: justified/s,
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
