import { chmod, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createTokenVerifier } from '../../../services/kernel/tokens/verifier.ts'
import { fault } from '../../support/fault.ts'
import { logLines } from '../../support/log-lines.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { manualTimers } from '../../support/manual-timers.ts'
import { keySetOf, signingKey, signJwt } from '../../support/signing-key.ts'
import { audience, claimsAt, issuer } from '../../support/token-cases.ts'
import { waitFor } from '../../support/wait-for.ts'

const first = signingKey('first')
const second = signingKey('second', 'ES256')

const setUp = async (t: Test, jwks: string) => {
  const clock = manualClock()
  const log = logLines()
  const timers = manualTimers()
  const verifier = await createTokenVerifier({ jwks, issuer, audience, clockToleranceSeconds: 0, clock, logger: log.logger, timers })
  t.teardown(() => verifier.close())
  const token = (key = first) => signJwt(key, claimsAt(clock.wall()))
  return { clock, log, timers, verifier, token }
}

const replace = async (path: string, content: string): Promise<void> => {
  await writeFile(`${path}.new`, content)
  await rename(`${path}.new`, path)
}

const keyFile = async (t: Test, content: string): Promise<string> => {
  const path = join(t.testdir(), 'jwks.json')
  await writeFile(path, content)
  return path
}

/** An identity provider that a test can change, count, and take down. */
const provider = async (t: Test) => {
  const state = { body: JSON.stringify(keySetOf(first)), status: 200, asked: 0, headers: {} as Record<string, string> }
  const listen = (port: number): Promise<Server> =>
    new Promise((resolve) => {
      const server = createServer((request, response) => {
        state.asked += 1
        if (request.url === '/elsewhere') {
          response.end(JSON.stringify(keySetOf(second)))
          return
        }
        response.writeHead(state.status, state.headers).end(state.body)
      })
      server.listen(port, '127.0.0.1', () => resolve(server))
    })
  let server = await listen(0)
  const { port } = server.address() as AddressInfo
  const down = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(down)
  return { state, url: `http://127.0.0.1:${port}/jwks`, down, up: async () => (server = await listen(port)) }
}

t.test('keys of a file rotate: a new key is found, a removed one no longer counts, not even from the cache', async (t) => {
  const path = await keyFile(t, JSON.stringify(keySetOf(first)))
  const { verifier, token, timers } = await setUp(t, path)
  const old = token()
  await verifier.verify(old)
  t.equal(verifier.keySetVersion(), 1)
  await replace(path, JSON.stringify(keySetOf(first, second)))
  t.equal((await verifier.verify(token(second))).id, 'practice-software', 'an unknown kid makes the file be read')
  t.equal(verifier.keySetVersion(), 2)
  t.equal(verifier.cached(old), undefined, 'every cached token is looked at again')
  await verifier.verify(old)
  await replace(path, JSON.stringify(keySetOf(second)))
  timers.runAll()
  await waitFor('the file to be read', () => verifier.keySetVersion() === 3)
  await t.rejects(verifier.verify(old), fault('TOKEN_REFUSED'))
  await verifier.verify(token(second))
})

t.test('a file that becomes unusable or disappears takes no key away', async (t) => {
  const path = await keyFile(t, JSON.stringify(keySetOf(first)))
  const { verifier, token, log } = await setUp(t, path)
  for (const content of ['{', '{"keys":[]}', JSON.stringify({ keys: [{ ...first.privateKey.export({ format: 'jwk' }), kid: 'first' }] })]) {
    await replace(path, content)
    await verifier.refreshKeys()
    t.equal((await verifier.verify(token())).id, 'practice-software')
  }
  await rm(path)
  await verifier.refreshKeys()
  await verifier.verify(token())
  t.equal(log.of('keys.refresh_failed').length, 4)
  t.equal(verifier.keySetVersion(), 1)
})

t.test('a file that is written again with the same keys changes nothing', async (t) => {
  const path = await keyFile(t, JSON.stringify(keySetOf(first)))
  const { verifier, token } = await setUp(t, path)
  const good = token()
  const caller = await verifier.verify(good)
  await replace(path, `${JSON.stringify(keySetOf(first), null, 2)}\n`)
  await verifier.refreshKeys()
  t.equal(verifier.keySetVersion(), 1)
  t.equal(verifier.cached(good), caller)
})

t.test('the service does not start on a file that is missing, unreadable or unusable', async (t) => {
  const dir = t.testdir()
  const start = (jwks: string) => setUp(t, jwks)
  await t.rejects(start(join(dir, 'none.json')), { name: 'StartError', message: /none\.json cannot be read: ENOENT/ })
  const path = await keyFile(t, '{"keys":[{"kty":"oct","k":"c2VjcmV0LXNlY3JldA"}]}')
  const error: Error = await start(path).then(
    () => new Error('started'),
    (thrown: Error) => thrown,
  )
  t.match(error.message, /unusable: member 0 is a symmetric key/)
  t.notMatch(error.message, /c2VjcmV0/, 'the secret is not shown')
  if (process.getuid?.() !== 0) {
    await chmod(path, 0)
    await t.rejects(start(path), { name: 'StartError', message: /EACCES/ })
  }
})

t.test('keys of a URL rotate on an unknown kid, fetched once for many tokens and then not again for a while', async (t) => {
  const idp = await provider(t)
  const { verifier, token, clock } = await setUp(t, idp.url)
  await verifier.verify(token())
  t.equal(idp.state.asked, 1)
  idp.state.body = JSON.stringify(keySetOf(second))
  const callers = await Promise.all(Array.from({ length: 20 }, () => verifier.verify(token(second))))
  t.equal(callers.length, 20)
  t.equal(idp.state.asked, 2, 'one fetch')
  await t.rejects(verifier.verify(token(first)), fault('TOKEN_REFUSED'), 'the old key is gone')
  for (let count = 0; count < 50; count += 1)
    await t.rejects(verifier.verify(token(signingKey(`made-up-${count}`))), fault('TOKEN_REFUSED'))
  t.equal(idp.state.asked, 2, 'made-up kids do not reach the provider')
  clock.advance(5_000)
  await t.rejects(verifier.verify(token(signingKey('made-up'))), fault('TOKEN_REFUSED'))
  t.equal(idp.state.asked, 3)
})

t.test('known keys stay in force while the URL is down, answers nonsense, or redirects', async (t) => {
  const idp = await provider(t)
  const { verifier, token, log, timers } = await setUp(t, idp.url)
  const bad: readonly [number, string, Record<string, string>][] = [
    [500, '', {}],
    [200, '<html>', {}],
    [302, '', { location: '/elsewhere' }],
    [200, `{"keys":[],"x":"${'x'.repeat(300_000)}"}`, {}],
  ]
  for (const [index, [status, body, headers]] of bad.entries()) {
    Object.assign(idp.state, { status, body, headers })
    timers.runAll()
    await waitFor('the failed fetch', () => log.of('keys.refresh_failed').length === index + 1)
  }
  t.equal(verifier.keySetVersion(), 1, 'where it redirects to is not asked')
  await idp.down()
  await verifier.refreshKeys()
  t.equal(log.of('keys.refresh_failed').length, bad.length + 1)
  t.equal((await verifier.verify(token())).id, 'practice-software')
  Object.assign(idp.state, { status: 200, body: JSON.stringify(keySetOf(first, second)), headers: {} })
  await idp.up()
  timers.runAll()
  await waitFor('the new key set', () => verifier.keySetVersion() === 2)
  await verifier.verify(token(second))
})

t.test('without any key yet calls are told to come back, and the first token after the URL is up finds its key', async (t) => {
  const idp = await provider(t)
  await idp.down()
  const { verifier, token, log, clock, timers } = await setUp(t, idp.url)
  t.equal(log.of('keys.unavailable').length, 1)
  t.equal(verifier.keySetVersion(), 0)
  t.ok(
    timers.pending().every((milliseconds) => milliseconds <= 5_000),
    'it is tried again soon',
  )
  await t.rejects(verifier.verify(token()), fault('KEYS_UNAVAILABLE'))
  await idp.up()
  clock.advance(5_000)
  t.equal((await verifier.verify(token())).id, 'practice-software')
})

t.test('a closed verifier asks no more', async (t) => {
  const idp = await provider(t)
  const { verifier, timers } = await setUp(t, idp.url)
  t.equal(timers.pending().length, 1)
  verifier.close()
  t.equal(timers.pending().length, 0)
})
