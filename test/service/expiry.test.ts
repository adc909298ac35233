/** What ends by itself is said in the ledger of a running service, and its reports show what they showed before. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { createLedgerReader } from '../support/ledger-reader.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

const clinic = 'north'
const expired = ['careteam', 'consent', 'role', 'share'].map((kind) => `chartwarden.${kind}.expired.v1`)

t.test('two replicas write one entry for everything that ended; the reports stay as they were', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  await startTestService(t, { database, stateDir: service.stateDir })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  const kept = await hire(clients, clinic, 'ben')
  await clients.people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff('anna') })
  const granted = Date.now()
  const end = granted + 4_000
  const until = { seconds: BigInt(Math.floor(end / 1_000)), nanos: (end % 1_000) * 1_000_000 }
  const common = () => ({ requestId: randomUUID(), clinic })
  const { grantId } = await clients.people.grantRole({ ...common(), subject: staff('anna'), role: 'dentist', until })
  await clients.relationships.putCareTeam({ ...common(), patientId: 'p', subject: staff('anna'), until })
  await clients.relationships.shareRecord({
    ...common(),
    recipient: { type: 'lab', id: 'l' },
    patientId: 'p',
    resourceTypes: ['imaging'],
    actions: ['read'],
    purpose: 'COC',
    until,
  })
  await clients.consents.recordConsent({ ...common(), consent: { patientId: 'p', decision: 2, until } })
  const ledger = await createLedgerReader(t, database)
  const endings = async () => (await ledger.entries(clinic)).filter(({ type }) => type.endsWith('.expired.v1'))
  await waitFor('the entries', async () => (await endings()).length >= 4)
  t.same((await endings()).map(({ type }) => type).sort(), expired)
  t.equal((await clients.access.check(readRecord(clinic, 'anna'))).decision, Decision.DENY)

  const read: string[] = []
  for await (const { item } of clients.audit.readEntries({ clinic })) {
    if (item.case === 'entry') read.push(item.value.type)
  }
  t.same(read.filter((type) => type.endsWith('.expired.v1')).sort(), expired, 'whoever reads the ledger sees them, once')

  const moment = (time: number) => ({ seconds: BigInt(Math.floor(time / 1_000)), nanos: (time % 1_000) * 1_000_000 })
  const held = async (asOf?: number) => {
    let grants: readonly { readonly grantId: string }[] = []
    await waitFor('the report', async () => {
      const report = await clients.reports.roleGrants({ clinic, ...(asOf === undefined ? {} : { asOf: moment(asOf) }) })
      grants = report.grants
      return report.completeToRevision >= BigInt(read.length - 1)
    })
    return grants.map(({ grantId: id }) => id)
  }
  t.ok((await held(end - 1)).includes(grantId), 'it was in force to its end')
  t.notOk((await held(end)).includes(grantId))
  const now = await held()
  t.notOk(now.includes(grantId))
  t.ok(now.includes(kept))
})
