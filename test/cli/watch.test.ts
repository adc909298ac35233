/** `report watch` as somebody runs it: a line an access, and on where it was after the connection broke. */
import t from 'tap'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { commandLine } from '../support/command-line.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'
import { startTcpRelay } from '../support/tcp-relay.ts'
import { waitFor } from '../support/wait-for.ts'
import { watchesRecorded } from '../support/watches-recorded.ts'

const clinic = 'north'

t.test('a watch whose connection broke goes on: nothing is missing and nothing comes twice', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')
  const relay = await startTcpRelay(t, service.address)
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: relay.address })
  const check = (patient: string) => clients.access.check(readRecord(clinic, 'anna', { patient }))

  await check('p-1')
  const watching = chartwarden('--json', 'report', 'watch', '--clinic', clinic, '--from-revision', '0', '--count', '4')
  await waitFor('the watch to be recorded', async () => (await watchesRecorded(clients, clinic)) === 1)
  await check('p-2')
  relay.cut()
  for (const patient of ['p-3', 'p-4', 'p-5']) await check(patient)
  relay.mend()
  const { code, out } = await watching
  t.equal(code, 0)
  t.same(
    out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { patient_id: string }).patient_id),
    ['p-1', 'p-2', 'p-3', 'p-4'],
  )
  const { out: lines } = await chartwarden('report', 'watch', '--clinic', clinic, '--from-revision', '0', '--count', '1')
  t.match(
    lines,
    /^\d{4}-\d\d-\d\dT\S+Z {2}authorised {2}staff:anna read treatment_record:record-1 of patient p-1 \(TREAT, role_permits\)\n$/,
  )
})

t.test('a watch that may not be is refused at once, and not tried again', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const unknown = await chartwarden('report', 'watch', '--clinic', 'nowhere', '--count', '1')
  t.equal(unknown.code, 4)
  const wrong = await chartwarden('report', 'watch', '--clinic', clinic, '--kind', 'opened')
  t.equal(wrong.code, 2)
  t.match(wrong.err, /--kind: there is no "opened"/)
})
