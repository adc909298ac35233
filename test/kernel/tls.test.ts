import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readTls } from '../../services/kernel/tls.ts'
import { selfSigned } from '../support/certificate.ts'

const good = selfSigned()

t.test('a certificate and its key are read', async (t) => {
  const dir = t.testdir({ 'cert.pem': good.cert, 'key.pem': good.key })
  const material = await readTls({ certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem') })
  t.ok(material.cert.equals(good.cert))
  t.ok(material.key.equals(good.key))
})

t.test('what cannot be used is refused with the file and the reason, never its content', async (t) => {
  const dir = t.testdir({})
  const certFile = join(dir, 'cert.pem')
  const keyFile = join(dir, 'key.pem')
  const days = (count: number): Date => new Date(Date.now() + count * 86_400_000)
  const cases: readonly (readonly [string, Buffer | string, Buffer | string, RegExp])[] = [
    ['a certificate that is not PEM', 'nonsense', good.key, /certificate .*cert\.pem is not a PEM certificate/],
    ['a key that is not PEM', good.cert, 'nonsense', /private key .*key\.pem is not a PEM private key/],
    ['the key of another certificate', good.cert, selfSigned().key, /key\.pem does not belong to the certificate .*cert\.pem/],
    ['an empty file', '', good.key, /is not a PEM certificate/],
  ]
  const read = () => readTls({ certFile, keyFile })
  for (const [what, cert, key, message] of cases) {
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)])
    await t.rejects(read(), { name: 'StartError', message }, what)
  }
  const expired = selfSigned(days(-3), days(-1))
  const early = selfSigned(days(1), days(2))
  for (const [{ cert, key }, message] of [
    [expired, /expired on/],
    [early, /is not valid before/],
  ] as const) {
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)])
    await t.rejects(read(), { name: 'StartError', message })
  }
  await t.rejects(readTls({ certFile: join(dir, 'none.pem'), keyFile }), {
    name: 'StartError',
    message: /TLS certificate .*none\.pem cannot be read: ENOENT/,
  })
})
