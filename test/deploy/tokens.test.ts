/** The command of docs/how-to/get-tokens.md runs as it is printed there, and the verifier of the service takes what it signs. */
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../services/kernel/clock.ts'
import { createTokenVerifier } from '../../services/kernel/tokens/verifier.ts'
import { fault } from '../support/fault.ts'
import { logLines } from '../support/log-lines.ts'
import { scratchDirectory } from '../support/service.ts'

const root = path.resolve(import.meta.dirname, '../..')
const page = readFileSync(path.join(root, 'docs/how-to/get-tokens.md'), 'utf8')
/** The commands of the page, the one that makes the key first. */
const printed = [...page.matchAll(/node (deploy\/tokens\.ts [^>\n\\]*(?:\\\n[^>\n\\]*)*)/g)].map(([, words = '']) =>
  [...words.replaceAll('\\\n', ' ').matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? ''),
)

const setUp = (t: Test) => {
  const directory = scratchDirectory(t, 'tokens')
  const run = (...words: readonly string[]) => {
    const here = words.map((word) => word.replace(/^\/etc\/chartwarden(-tokens)?\//, `${directory}/`))
    return spawnSync(process.execPath, here, { cwd: root, encoding: 'utf8' })
  }
  const verify = async (token: string) => {
    const verifier = await createTokenVerifier({
      jwks: path.join(directory, 'jwks.json'),
      issuer: 'https://chartwarden.example.org/',
      audience: 'chartwarden',
      clockToleranceSeconds: 0,
      clock: systemClock,
      logger: logLines().logger,
    })
    t.teardown(() => verifier.close())
    return verifier.verify(token.trim())
  }
  return { directory, run, verify }
}

t.test('a key is made for its owner alone, and the service takes what it signs, for as long as was asked', async (t) => {
  const { directory, run, verify } = setUp(t)
  const [keygen = [], ...signs] = printed
  t.ok(signs.length >= 2, 'the page prints commands')
  t.equal(run(...keygen).status, 0)
  t.equal(statSync(path.join(directory, 'signing.pem')).mode & 0o777, 0o600)
  t.notMatch(readFileSync(path.join(directory, 'jwks.json'), 'utf8'), /"d"/, 'the private part stays where it is')
  for (const words of signs) {
    const { status, stdout, stderr } = run(...words)
    t.equal(status, 0, stderr)
    const caller = await verify(stdout)
    t.same([...caller.clinics], ['northside'])
    t.ok(caller.scopes.size > 0)
    t.ok(caller.expiresAt <= Date.now() + 24 * 3_600_000)
  }
  const [sign = []] = signs
  const old = run(...sign).stdout
  t.not(run(...keygen).status, 0, 'a key is never overwritten')
  t.equal(run(...keygen.map((word) => word.replace('signing.pem', 'next.pem'))).status, 0)
  const next = run(...sign.map((word) => word.replace('signing.pem', 'next.pem'))).stdout
  for (const token of [old, next]) t.match(await verify(token), { issuer: 'https://chartwarden.example.org/' }, 'both keys count')
  const [head, , signature] = old.split('.')
  await t.rejects(verify(`${head}.${next.split('.')[1]}.${signature}`), fault('TOKEN_REFUSED'), 'twin: another text under the signature')
})

t.test('what would not work, or would not be safe, is refused', async (t) => {
  const { directory, run } = setUp(t)
  const [keygen = [], sign = []] = printed
  run(...keygen)
  const withOption = (name: string, value: string): string[] => {
    const words = sign.filter((word, at) => word !== `--${name}` && sign[at - 1] !== `--${name}`)
    return value === '' ? words : [...words, `--${name}`, value]
  }
  for (const [name, value, said] of [
    ['scope', 'access.chek', /no scope "access.chek"/],
    ['clinic', 'North Side', /no clinic's identifier/],
    ['clinic', '', /^Usage/],
    ['issuer', '', /^Usage/],
    ['hours', '25', /from 1 to 24/],
    ['hours', '0', /from 1 to 24/],
    ['hours', '1e1', /from 1 to 24/],
    ['key', path.join(directory, 'jwks.json'), /Others can read/],
  ] as const) {
    t.match(run(...withOption(name, value)), { status: 2, stdout: '', stderr: said }, `${name} ${value}`)
  }
  chmodSync(path.join(directory, 'signing.pem'), 0o640)
  t.match(run(...sign), { status: 2, stderr: /Others can read/ })
})
