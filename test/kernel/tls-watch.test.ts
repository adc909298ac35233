import { rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { AccessService } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { createGrpcClient } from '../../services/kernel/grpc/client.ts'
import { type TlsWatch, watchTls } from '../../services/kernel/tls-watch.ts'
import { caught } from '../support/caught.ts'
import { type Certificate, selfSigned } from '../support/certificate.ts'
import { grpcDoor } from '../support/grpc-door.ts'
import { httpDoor } from '../support/http-door.ts'
import { logLines } from '../support/log-lines.ts'
import { manualClock } from '../support/manual-clock.ts'
import { manualTimers } from '../support/manual-timers.ts'

const day = 86_400_000

/** Certificate files that a test writes, and a watch of them under a clock that it moves. */
const watched = async (t: Test, first: Certificate, clientCa?: Buffer) => {
  const directory = t.testdir()
  const files = {
    certFile: join(directory, 'tls.crt'),
    keyFile: join(directory, 'tls.key'),
    ...(clientCa === undefined ? {} : { clientCaFile: join(directory, 'ca.crt') }),
  }
  const write = ({ cert, key }: Certificate): void => {
    writeFileSync(files.certFile, cert)
    writeFileSync(files.keyFile, key)
  }
  write(first)
  if (clientCa !== undefined) writeFileSync(join(directory, 'ca.crt'), clientCa)
  const clock = manualClock(Date.now())
  const timers = manualTimers()
  const log = logLines()
  const watch = await watchTls({ files, clock, timers, logger: log.logger })
  t.teardown(() => watch.stop())
  return { files, write, clock, timers, log, watch }
}

/** Both doors on loopback, with what a client of them sees. */
const doors = async (t: Test, watch: TlsWatch) => {
  const grpc = await grpcDoor(t, { tls: watch.material })
  const http = await httpDoor(t, { tls: watch.material })
  const port = await http.http.start()
  /** The answer over HTTP, the certificate of a connection that was made for it, and whether one was there already. */
  const getHealth = (trusted: Certificate, shown?: Certificate, agent = new Agent()) =>
    new Promise<{ readonly status: number | undefined; readonly peer: string; readonly reused: boolean }>((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: '/healthz', ca: trusted.cert, agent, ...shown }
      const request = httpsRequest(options, (response) => {
        const peer = (response.socket as TLSSocket).getPeerX509Certificate()?.toString() ?? ''
        text(response).then(() => resolve({ status: response.statusCode, peer, reused: request.reusedSocket }), reject)
      })
      request.on('error', reject).end()
    })
  const check = (trusted: Certificate, shown?: Certificate) => {
    const client = createGrpcClient(AccessService, { address: grpc.address, token: grpc.token(), tls: { ca: trusted.cert, ...shown } })
    t.teardown(() => client.disconnect())
    return () => client.check({ requestId: 'r', clinic: 'north' }, { timeoutMs: 5_000 })
  }
  const follow = (): void =>
    watch.onRenewal((material) => {
      grpc.server.renewTls(material)
      http.http.renewTls(material)
    })
  return { getHealth, check, follow, port }
}

t.test('new files serve new connections at both doors, while an old connection keeps working', async (t) => {
  const [old, renewed] = [selfSigned(), selfSigned()]
  const { write, watch, log } = await watched(t, old)
  const { getHealth, check, follow } = await doors(t, watch)
  follow()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  t.match(await getHealth(old, undefined, agent), { status: 200, peer: old.cert.toString() })
  const overOld = check(old)
  t.equal((await overOld()).requestId, 'r')

  write(renewed)
  await watch.reload()
  t.equal(log.of('tls.renewed').length, 1)
  t.match(await getHealth(renewed), { status: 200, peer: renewed.cert.toString() }, 'a new connection sees the new one')
  t.equal((await check(renewed)()).requestId, 'r')
  await t.rejects(getHealth(old), 'and whoever trusts only the old one is not served anew')
  t.match(await getHealth(old, undefined, agent), { status: 200, reused: true }, 'the old connection goes on')
  t.equal((await overOld()).requestId, 'r')
})

t.test('twin: doors that are not told of new files go on with the old ones', async (t) => {
  const [old, renewed] = [selfSigned(), selfSigned()]
  const { write, watch } = await watched(t, old)
  const { getHealth, check } = await doors(t, watch)
  write(renewed)
  await watch.reload()
  await t.rejects(getHealth(renewed))
  t.equal((await caught(check(renewed)())).reason, 'SERVICE_UNREACHABLE')
  t.equal((await getHealth(old)).status, 200)
})

t.test('the files are read again by themselves, and again after that', async (t) => {
  const { write, watch, timers } = await watched(t, selfSigned())
  for (const next of [selfSigned(), selfSigned()]) {
    const renewed = new Promise<Buffer>((resolve) => watch.onRenewal(({ cert }) => resolve(cert)))
    write(next)
    t.strictSame(timers.pending(), [10_000])
    timers.runAll()
    t.ok((await renewed).equals(next.cert))
    await watch.reload()
  }
})

t.test('files that cannot be used leave the old ones in use, with one warning that names no content', async (t) => {
  const now = Date.now()
  const old = selfSigned()
  const [other, expired] = [selfSigned(), selfSigned(new Date(now - 2 * day), new Date(now - day))]
  const { files, write, watch, log } = await watched(t, old)
  const { getHealth, follow } = await doors(t, watch)
  follow()
  const broken: readonly (readonly [what: string, make: () => void])[] = [
    ['a new certificate with the old key', () => writeFileSync(files.certFile, other.cert)],
    ['half a certificate', () => writeFileSync(files.certFile, other.cert.subarray(0, 200))],
    ['a chain whose second half is missing', () => writeFileSync(files.certFile, Buffer.concat([old.cert, other.cert.subarray(0, 200)]))],
    ['no key', () => rmSync(files.keyFile)],
    ['an expired pair', () => write(expired)],
  ]
  for (const [what, make] of broken) {
    write(old)
    await watch.reload()
    t.equal(watch.state().certificate, 'expires soon')
    const before = log.of('tls.not_renewed').length
    make()
    await watch.reload()
    await watch.reload()
    t.equal(log.of('tls.not_renewed').length, before + 1, what)
    t.equal(watch.state().certificate, 'expires soon; its new files cannot be used', what)
    t.equal((await getHealth(old)).peer, old.cert.toString(), what)
  }
  t.equal(log.of('tls.renewed').length, 0)
  t.notMatch(JSON.stringify(log.lines), /BEGIN|PRIVATE/)
  await t.rejects(watchTls({ files, clock: manualClock(now), logger: log.logger }), { name: 'StartError' }, 'a start refuses them')
})

t.test('a certificate that ends soon is warned of fourteen days ahead, once a day, and readiness says so', async (t) => {
  const start = Date.now()
  const { watch, clock, log } = await watched(t, selfSigned(new Date(start - day), new Date(start + 20.5 * day)))
  t.strictSame(watch.state(), { certificate: 'valid', daysLeft: 20 })
  clock.advance(6 * day)
  await watch.reload()
  t.equal(log.of('tls.expires').length, 0)
  clock.advance(day)
  await watch.reload()
  await watch.reload()
  t.match(log.of('tls.expires'), [{ daysLeft: 13 }])
  t.strictSame(watch.state(), { certificate: 'expires soon', daysLeft: 13 })
  clock.advance(day)
  await watch.reload()
  t.equal(log.of('tls.expires').length, 2)
  clock.advance(13 * day)
  await watch.reload()
  t.match(watch.state(), { certificate: /^expired/, daysLeft: -1 })
})

t.test('where client certificates are asked for, both doors refuse who shows none or one of a stranger', async (t) => {
  const [server, client, stranger] = [selfSigned(), selfSigned(), selfSigned()]
  const { watch } = await watched(t, server, client.cert)
  const { getHealth, check } = await doors(t, watch)
  t.equal((await getHealth(server, client)).status, 200)
  t.equal((await check(server, client)()).requestId, 'r')
  for (const shown of [undefined, stranger]) {
    await t.rejects(getHealth(server, shown))
    t.equal((await caught(check(server, shown)())).reason, 'SERVICE_UNREACHABLE')
  }
})

t.test('twin: without an authority of clients nobody is asked for a certificate', async (t) => {
  const server = selfSigned()
  const { watch } = await watched(t, server)
  const { getHealth, check } = await doors(t, watch)
  t.equal((await getHealth(server)).status, 200)
  t.equal((await check(server)()).requestId, 'r')
})

t.test('an authority of clients that is exchanged holds for new connections', async (t) => {
  const [server, before, after] = [selfSigned(), selfSigned(), selfSigned()]
  const { files, watch } = await watched(t, server, before.cert)
  const { getHealth, check, follow } = await doors(t, watch)
  follow()
  // Remembers the session, with which a new connection might come in under the old authority.
  const agent = new Agent()
  t.equal((await getHealth(server, before, agent)).status, 200)
  writeFileSync(files.clientCaFile ?? '', after.cert)
  await watch.reload()
  await t.rejects(getHealth(server, before, agent))
  await t.rejects(getHealth(server, before))
  t.equal((await caught(check(server, before)())).reason, 'SERVICE_UNREACHABLE')
  t.equal((await getHealth(server, after)).status, 200)
  t.equal((await check(server, after)()).requestId, 'r')
})

t.test('TLS before 1.2 is not spoken, also after a renewal', async (t) => {
  const server = selfSigned()
  const { write, watch } = await watched(t, server)
  const { follow, port } = await doors(t, watch)
  follow()
  const speak = (version: 'TLSv1.1' | 'TLSv1.2') =>
    new Promise<string>((resolve) => {
      const options = {
        host: '127.0.0.1',
        port,
        path: '/healthz',
        rejectUnauthorized: false,
        minVersion: 'TLSv1' as const,
        maxVersion: version,
      }
      const request = httpsRequest({ ...options, ciphers: 'DEFAULT@SECLEVEL=0', agent: new Agent() }, (response) => {
        resolve((response.socket as TLSSocket).getProtocol() ?? 'none')
        response.resume()
      })
      request.on('error', () => resolve('refused')).end()
    })
  for (const turn of ['at first', 'renewed']) {
    t.equal(await speak('TLSv1.1'), 'refused', turn)
    t.equal(await speak('TLSv1.2'), 'TLSv1.2', turn)
    write(selfSigned())
    await watch.reload()
  }
})
