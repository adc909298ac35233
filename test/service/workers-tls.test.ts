/** Several processes that end TLS, with files that are exchanged under them. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { ClinicService } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { createGrpcClient } from '../../services/kernel/grpc/client.ts'
import { type Certificate, selfSigned } from '../support/certificate.ts'
import { fault } from '../support/fault.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { waitFor } from '../support/wait-for.ts'
import { ofEvent } from '../support/worker-processes.ts'

t.setTimeout(280_000)

t.test('SIGHUP has every worker read the certificate files', { skip: process.platform === 'win32' }, async (t) => {
  const stateDir = scratchDirectory(t, 'certificates')
  const install = ({ cert, key }: Certificate) => {
    const files = { CHARTWARDEN_TLS_CERT_FILE: path.join(stateDir, 'tls.crt'), CHARTWARDEN_TLS_KEY_FILE: path.join(stateDir, 'tls.key') }
    writeFileSync(files.CHARTWARDEN_TLS_CERT_FILE, cert)
    writeFileSync(files.CHARTWARDEN_TLS_KEY_FILE, key)
    return files
  }
  const [first, second] = [selfSigned(), selfSigned()]
  const database = await createTestDatabase(t)
  const environment = { ...testEnvironment(database, stateDir), ...install(first), CHARTWARDEN_WORKERS: '2' }
  const service = await startServiceProcess(t, environment)
  const token = await testCallers(t, stateDir, environment).token({ clinics: ['north'] })
  const connect = ({ cert: ca }: Certificate) => {
    const client = createGrpcClient(ClinicService, { address: service.address, token, tls: { ca }, ownConnection: true })
    t.teardown(() => client.disconnect())
    return client.listClinics({}, { timeoutMs: 5_000 })
  }
  await Promise.all([connect(first), connect(first)])
  install(second)
  process.kill(service.pid, 'SIGHUP')
  const renewed = () => ofEvent(service, 'tls.renewed').map(({ worker }) => String(worker))
  await waitFor('the new certificate', () => renewed().length === 2)
  t.same(renewed().sort(), ['1', '2'])
  await Promise.all([connect(second), connect(second), connect(second)])
  await t.rejects(connect(first), fault('SERVICE_UNREACHABLE'), 'twin: the certificate before is shown no more')
  t.equal(await service.stop(), 0)
})
