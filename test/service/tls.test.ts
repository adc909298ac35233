/** The service as a process, with TLS files that are exchanged under it. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { ClinicService } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { createGrpcClient } from '../../services/kernel/grpc/client.ts'
import { caught } from '../support/caught.ts'
import { type Certificate, selfSigned } from '../support/certificate.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { waitFor } from '../support/wait-for.ts'

const skip = process.platform === 'win32'

t.test('a process takes new TLS files on SIGHUP, and asks clients for certificates at both doors', { skip }, async (t) => {
  const stateDir = scratchDirectory(t, 'tls')
  const [first, second, client] = [selfSigned(), selfSigned(), selfSigned()]
  const write = (name: string, bytes: Buffer): string => {
    writeFileSync(join(stateDir, name), bytes)
    return join(stateDir, name)
  }
  const install = ({ cert, key }: Certificate) => ({
    CHARTWARDEN_TLS_CERT_FILE: write('tls.crt', cert),
    CHARTWARDEN_TLS_KEY_FILE: write('tls.key', key),
  })
  const environment = {
    ...testEnvironment(await createTestDatabase(t), stateDir),
    ...install(first),
    CHARTWARDEN_TLS_CLIENT_CA_FILE: write('ca.crt', client.cert),
    CHARTWARDEN_MAX_MESSAGE_BYTES: '65536',
    CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0',
  }
  const process = await startServiceProcess(t, environment)
  const token = await testCallers(t, stateDir, environment).token({ clinics: ['north'] })

  const overHttp = (trusted: Certificate, shown: Certificate | undefined, method: string, path: string, body = '') =>
    new Promise<{ readonly status: number | undefined; readonly body: string }>((resolve, reject) => {
      const { hostname: host, port } = new URL(process.httpAddress)
      const headers = { authorization: `Bearer ${token}`, ...(body === '' ? {} : { 'content-type': 'application/json' }) }
      const request = httpsRequest({ host, port, method, path, headers, ca: trusted.cert, agent: new Agent(), ...shown }, (response) => {
        text(response).then((answer) => resolve({ status: response.statusCode, body: answer }), reject)
      })
      request.on('error', reject).end(body)
    })
  const overGrpc = (trusted: Certificate, shown?: Certificate) => {
    const grpc = createGrpcClient(ClinicService, { address: process.address, token, tls: { ca: trusted.cert, ...shown } })
    t.teardown(() => grpc.disconnect())
    return grpc.listClinics({}, { timeoutMs: 10_000 })
  }

  const list = '/v1/clinic/list-clinics'
  t.equal((await overHttp(first, client, 'POST', list)).status, 200)
  t.ok(await overGrpc(first, client))
  await t.rejects(overHttp(first, undefined, 'GET', '/healthz'), 'not even health without a certificate')
  t.equal((await caught(overGrpc(first))).reason, 'SERVICE_UNREACHABLE')
  const ready = JSON.parse((await overHttp(first, client, 'GET', '/readyz')).body)
  const probed = await fetch(`${process.metricsAddress}/readyz`)
  t.same(Object.keys(((await probed.json()) as typeof ready).checks), Object.keys(ready.checks), 'the same for probes, which show none')
  const health = (operations: string) =>
    spawnSync(execPath, ['deploy/health.ts'], {
      env: { ...environment, CHARTWARDEN_HTTP_ADDR: new URL(process.httpAddress).host, CHARTWARDEN_METRICS_ADDR: operations },
    }).status
  t.equal(health(new URL(process.metricsAddress).host), 0, 'the health check of the image')
  t.equal(health('off'), 1, 'twin: it shows no certificate at the other listener')
  t.match(ready.checks, { tlsCertificate: 'expires soon', tlsCertificateDaysLeft: 0 })
  t.equal(
    (await overHttp(first, client, 'POST', list, `{"x":"${'x'.repeat(70_000)}"}`)).status,
    413,
    'the limit is that of the configuration',
  )

  install(second)
  globalThis.process.kill(process.pid, 'SIGHUP')
  await waitFor('the new certificate', () => process.lines.some(({ event }) => event === 'tls.renewed'))
  t.equal((await overHttp(second, client, 'POST', list)).status, 200)
  t.ok(await overGrpc(second, client))
  await t.rejects(overHttp(first, client, 'GET', '/healthz'))
  t.equal(await process.stop(), 0)
})
