import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import {
  developmentKeyFile,
  openDevelopmentKey,
  readDevelopmentKey,
  signDevelopmentToken,
} from '../../../services/kernel/tokens/development-key.ts'
import { createTokenVerifier } from '../../../services/kernel/tokens/verifier.ts'
import { logLines } from '../../support/log-lines.ts'

t.test('the key is made once, kept private, and said loudly each time', async (t) => {
  const stateDir = join(t.testdir(), 'state')
  const { logger, of, lines } = logLines()
  const open = () => openDevelopmentKey({ stateDir, logger, randomness: systemRandomness })
  const keys = await Promise.all([open(), open(), open()])
  t.equal(new Set(keys.map(({ kid }) => kid)).size, 1, 'all who start together use one key')
  t.equal((await open()).kid, keys[0]?.kid)
  t.strictSame(await readdir(stateDir), ['development-token-key.pem'], 'no draft is left')
  t.equal((await stat(developmentKeyFile(stateDir))).mode & 0o777, 0o600)
  t.equal((await stat(stateDir)).mode & 0o777, 0o700)
  const warnings = of('tokens.development_key')
  t.equal(warnings.length, 4)
  t.equal(warnings[0]?.['level'], 'warn')
  t.notMatch(JSON.stringify(lines), (await readFile(developmentKeyFile(stateDir), 'utf8')).split('\n')[1], 'the key itself is not logged')
})

t.test('its tokens pass the verifier', async (t) => {
  const { logger } = logLines()
  const key = await openDevelopmentKey({ stateDir: t.testdir(), logger, randomness: systemRandomness })
  const verifier = await createTokenVerifier({
    jwks: key.jwks,
    issuer: 'i',
    audience: 'a',
    clockToleranceSeconds: 0,
    clock: systemClock,
    logger,
  })
  t.teardown(() => verifier.close())
  const sign = (clinics: readonly string[]) =>
    signDevelopmentToken({
      key,
      issuer: 'i',
      audience: 'a',
      clinics,
      scopes: ['act', 'staff.read'],
      subject: 'cli',
      ttlSeconds: 60,
      clock: systemClock,
      randomness: systemRandomness,
    })
  for (const clinics of [[], ['demo'], ['demo', 'other']]) {
    const caller = await verifier.verify(sign(clinics))
    t.strictSame([...caller.clinics], clinics)
    t.strictSame([...caller.scopes], ['act', 'staff.read'])
    t.equal(caller.id, 'cli')
  }
})

t.test('a key that is missing, open to others or damaged is refused with what to do', async (t) => {
  const stateDir = t.testdir()
  const file = developmentKeyFile(stateDir)
  await t.rejects(readDevelopmentKey(file), {
    name: 'StartError',
    message: /no development key at .*; start the service in development mode/,
  })
  await writeFile(file, 'not a key', { mode: 0o600 })
  await t.rejects(readDevelopmentKey(file), { name: 'StartError', message: /damaged; delete it/ })
  if (process.platform === 'win32') return
  await chmod(file, 0o640)
  await t.rejects(readDevelopmentKey(file), { name: 'StartError', message: /Other users can read .* chmod 600/ })
})
