/** The commands of the page on consent and confidentiality do what the page says. */
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import t from 'tap'
import { Effect } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import { clientsOf, hire, registerTestClinic, staff } from './support/clinic.ts'
import { commandLine } from './support/command-line.ts'
import { documentedCommands } from './support/documented-commands.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/consent-and-confidentiality.md')

/** Words of a line as a shell splits them; only plain words and single quotes are used. */
const words = (line: string): string[] => [...line.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ''))

t.test('every command of the page ends as the page says', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clinic = 'northside'
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  await clients.policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: {
      role: 'viewer',
      title: 'Viewer',
      permissions: ['imaging', 'lab_report'].map((resourceType) => ({ resourceType, actions: ['read'], effect: Effect.PERMIT })),
    },
  })
  for (const id of ['dora', 'ben']) {
    await hire(clients, clinic, id)
    await clients.people.grantRole({ requestId: randomUUID(), clinic, subject: staff(id), role: 'viewer' })
  }
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })

  const documented = documentedCommands(page)
  t.ok(documented.length >= 14)
  for (const { command, exits } of documented) {
    const [npx, name, ...argv] = words(command)
    t.same([npx, name], ['npx', 'chartwarden'])
    const ran = await chartwarden(...argv)
    t.equal(ran.code, exits, `${command}: ${ran.out}${ran.err}`)
  }

  const ask = async (who: string, type: string, id: string, patient = 'p-7') => {
    const ran = await chartwarden(
      ...`check --clinic ${clinic} --subject staff:${who} --action read --resource ${type}:${id} --patient ${patient} --purpose TREAT`.split(
        ' ',
      ),
    )
    return /: (\w+)/.exec(ran.out)?.[1]
  }
  t.equal(await ask('dora', 'treatment_record', 't-9'), 'confidentiality')
  t.equal(await ask('dora', 'lab_report', 'l-3'), 'sensitivity')
  t.equal(await ask('dora', 'treatment_record', 't-1', 'p-12'), 'protected_person')
  t.equal(await ask('dora', 'treatment_record', 't-1', 'p-20'), 'protected_person')
  t.equal(await ask('ben', 'imaging', 'img-7'), 'consent_denied')
  t.equal(await ask('dora', 'imaging', 'img-7'), 'role_permits')
})
