/** `report watch` as somebody runs it: a line an access, and on where it was after the connection broke. */
import t from 'tap'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { commandLine } from '../support/command-line.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'
import { startTcpRelay } from '../support/tcp-relay.ts'
import { waitFor } from '../support/wait-for.ts'

const clinic = 'north'

t.test('a watch whose connection broke goes on: nothing is missing and nothing comes twice', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')
  const relay = await startTcpRelay(t, service.address)
  let begun = ''
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: relay.address }, (told) => {
    begun += told
  })
  const check = (patient: string) => clients.access.check(readRecord(clinic, 'anna', { patient }))

  await check('p-1')
  const watching = chartwarden('--json', 'report', 'watch', '--clinic', clinic, '--from-revision', '0', '--count', '4')
  await waitFor('the watch to begin', () => begun.includes('Watching from revision'))
  await check('p-2')
  relay.cut()
  for (const patient of ['p-3', 'p-4', 'p-5']) await check(patient)
  relay.mend()
  const { code, out, err } = await watching
  t.equal(code, 0)
  const told = err
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { notes: string[] }).notes[0] ?? '')
  t.match(told, [
    /^Watching from revision 0\.$/,
    /^The watch was interrupted; trying to go on\.$/,
    /^Connected again; going on from revision \d+\.$/,
    /^Stopped after revision \d+; go on with --from-revision \d+\.$/,
  ])
  t.equal(told.length, 4, 'each said once, however often it was tried')
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
    /^\d{4}-\d\d-\d\dT\S+Z {2}authorised {2}staff:anna read treatment_record:record-1 of patient p-1 \(TREAT, role_permits\) {2}revision \d+, recorded \d{4}-\S+Z\n$/,
  )
})

t.test('a watch whose token has expired goes on with the one there is by then, once', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const good = await service.token({ clinics: [clinic] })
  const clients = clientsOf(service, good)
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')
  await clients.access.check(readRecord(clinic, 'anna', { patient: 'p-1' }))
  const expired = await service.token({ clinics: [clinic], ttlSeconds: -3_600 })
  /** A token for each time it is read; the last stays. */
  const watchWith = async (...tokens: string[]) => {
    const environment = {
      CHARTWARDEN_GRPC_ADDR: service.address,
      get CHARTWARDEN_TOKEN() {
        return tokens.length > 1 ? tokens.shift() : tokens[0]
      },
    }
    return commandLine(environment)('report', 'watch', '--clinic', clinic, '--from-revision', '0', '--count', '1')
  }
  t.match(await watchWith(expired, good), { code: 0, out: /of patient p-1/ })
  t.match(await watchWith(expired), { code: 4, out: /^$/, err: /TOKEN_EXPIRED/ }, 'twin: a token that was not renewed ends it')
})

t.test('a watch that is stopped says where to go on, and whom nobody has heard of', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  let told = ''
  const environment = { CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address }
  const chartwarden = commandLine(environment, (text) => {
    told += text
  })
  const watching = chartwarden('report', 'watch', '--clinic', clinic, '--subject', 'staff:nobody')
  await waitFor('the note', async () => told.includes('nobody'))
  process.emit('SIGTERM')
  t.match(await watching, {
    code: 0,
    out: /^$/,
    err: /^Watching from revision \d+\.\nNote: no entry of this clinic names staff:nobody; [^\n]+\nStopped after revision \d+; go on with --from-revision \d+\.\n$/,
  })
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
