/** Where a watch goes on after a break, though nothing had matched before. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import t, { type Test } from 'tap'
import { AccessKind, ReportService, type WatchAccessResponseSchema } from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { implement } from '../../services/kernel/grpc/implement.ts'
import type { ReportServiceHandlers } from '../../services/projections/doors/grpc-report-service.ts'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { commandLine } from '../support/command-line.ts'
import { grpcDoor } from '../support/grpc-door.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'
import { startTcpRelay } from '../support/tcp-relay.ts'
import { waitFor } from '../support/wait-for.ts'

const clinic = 'north'

t.test('a watch that broke before anything came misses nothing of the break', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')
  const relay = await startTcpRelay(t, service.address)
  let told = ''
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: relay.address }, (more) => {
    told += more
  })
  const check = (patient: string) => clients.access.check(readRecord(clinic, 'anna', { patient }))
  await check('before')
  const watching = chartwarden('report', 'watch', '--clinic', clinic, '--count', '1')
  await waitFor('the watch to say where it begins', () => told.includes('from revision'))
  relay.cut()
  await check('during-the-break')
  relay.mend()
  await waitFor('the watch to go on', () => told.split('from revision').length > 2)
  await check('after')
  t.match(await watching, { code: 0, out: /^[^\n]* of patient during-the-break [^\n]*\n$/ })
})

type Answer = MessageInitShape<typeof WatchAccessResponseSchema>['item']

/** A service that answers the first watch so and then ends, and each later one with a row; and from where each was asked. */
const asked = async (t: Test, first: Answer, ...options: string[]): Promise<readonly (bigint | undefined)[]> => {
  const from: (bigint | undefined)[] = []
  const watchAccess = async function* (request: { readonly fromRevision?: bigint }) {
    from.push(request.fromRevision)
    yield { item: from.length === 1 ? first : { case: 'row' as const, value: { kind: AccessKind.AUTHORISED } } }
  }
  const others = ReportService.methods.map(({ localName }) => [localName, () => Promise.reject(new Error('not asked for'))])
  const handlers = { ...Object.fromEntries(others), watchAccess } as ReportServiceHandlers
  const { address, token } = await grpcDoor(t, { services: [implement(ReportService, handlers)] })
  const environment = { CHARTWARDEN_TOKEN: token({ clinics: [clinic], scope: 'report.read' }), CHARTWARDEN_GRPC_ADDR: address }
  const { code } = await commandLine(environment)('report', 'watch', '--clinic', clinic, '--count', '1', ...options)
  t.equal(code, 0)
  return from
}

t.test('a watch that the service ended goes on after what the end says, and never before what was asked for', async (t) => {
  t.same(await asked(t, { case: 'end', value: { completeToRevision: 7n } }), [undefined, 8n])
  t.same(await asked(t, { case: 'completeToRevision', value: 7n }), [undefined, 8n])
  t.same(await asked(t, { case: 'end', value: {} }), [undefined, undefined], 'an end that came nowhere')
  t.same(await asked(t, { case: 'completeToRevision', value: 7n }, '--from-revision', '100'), [100n, 100n])
})
