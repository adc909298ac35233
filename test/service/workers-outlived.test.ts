/** Several processes over an embedded database, of which the one that started the others is killed. */
import t from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { usedStateDirectory } from '../support/embedded-service.ts'
import { testCallers } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { noWorkerLives, ofEvent } from '../support/worker-processes.ts'

t.setTimeout(280_000)

t.test('over an embedded database: the workers die with what started them, and the next start finds everything', async (t) => {
  const { stateDir } = await usedStateDirectory(t)
  const environment = {
    CHARTWARDEN_STATE_DIR: stateDir,
    CHARTWARDEN_GRPC_ADDR: '127.0.0.1:0',
    CHARTWARDEN_HTTP_ADDR: '127.0.0.1:0',
    CHARTWARDEN_METRICS_ADDR: 'off',
    CHARTWARDEN_WORKERS: '2',
  }
  const callers = testCallers(t, stateDir, environment)
  const start = async () => {
    const service = await startServiceProcess(t, environment)
    const token = await callers.token({ clinics: ['north'] })
    return { service, clients: clientsOf({ client: (definition, given) => callers.client(definition, given, service.address) }, token) }
  }
  const first = await start()
  t.match(ofEvent(first.service, 'service.ready'), [{ embedded: true, workers: 2 }])
  await registerTestClinic(first.clients, 'north')
  await hire(first.clients, 'north', 'dana')
  await first.service.stop('SIGKILL')
  await noWorkerLives(first.service)
  const second = await start()
  t.equal((await second.clients.access.check(readRecord('north', 'dana'))).decision, Decision.PERMIT)
  t.equal(await second.service.stop(), 0)
})
