import { generateKeyPairSync } from 'node:crypto'
import path from 'node:path'
import t from 'tap'
import { cosignerKeyOf } from '../../../services/audit/log/cosignature.ts'
import { formatVerifierKey } from '../../../services/audit/log/note.ts'
import { readWitnessPolicy } from '../../../services/audit/log/read-witness-policy.ts'
import type { Mode } from '../../../services/kernel/config-variables.ts'

const vkey = (name: string): string => formatVerifierKey(cosignerKeyOf(name, generateKeyPairSync('ed25519').privateKey))
const a = vkey('a.example')
const b = vkey('b.example')

const refused: readonly (readonly [what: string, text: string, mode: Mode, message: RegExp])[] = [
  ['a line that is none', `witness a ${a} https://a.example\nquorom a\n`, 'development', /line begins with.*\(line 2\)\.$/],
  ['no quorum', `witness a ${a} https://a.example\n`, 'development', /there is no quorum line\.$/],
  ['nobody to ask', `witness a ${a}\nquorum a\n`, 'development', /no witness in it has a URL/],
  ['no witness at all', 'quorum none\n', 'development', /no witness in it has a URL/],
  ['an address that is none', `witness a ${a} a.example\nquorum a\n`, 'development', /witness a: its URL must begin with http/],
  ['another scheme', `witness a ${a} ftp://a.example\nquorum a\n`, 'development', /witness a: its URL must begin with http/],
  [
    'a password',
    `witness a ${a} https://me:hunter2@a.example\nquorum a\n`,
    'development',
    /witness a: its URL must not hold a user or password/,
  ],
  ['a query', `witness a ${a} https://a.example/?x=1\nquorum a\n`, 'development', /witness a: its URL must end with its path/],
  [
    'plain HTTP in production',
    `witness a ${a} http://a.example\nquorum a\n`,
    'production',
    /witness a: its URL must use https in production/,
  ],
  [
    'two keys of one name',
    `witness a ${a} https://a.example\nwitness b ${vkey('a.example')} https://b.example\nquorum a\n`,
    'development',
    /witness b: another witness has a key of the same name/,
  ],
]

for (const [what, text, mode, message] of refused) {
  t.test(`${what} is refused, in words that name it and no secret`, async (t) => {
    const file = path.join(t.testdir({ policy: text }), 'policy')
    await t.rejects(readWitnessPolicy(file, mode), { name: 'StartError', message })
    t.notMatch(String(await readWitnessPolicy(file, mode).catch((thrown: unknown) => thrown)), 'hunter2')
  })
}

t.test('a policy that is not there is refused', async (t) => {
  await t.rejects(readWitnessPolicy(path.join(t.testdir(), 'policy'), 'development'), {
    name: 'StartError',
    message: /cannot be read: ENOENT/,
  })
})

t.test('https anywhere, and plain HTTP on this machine or outside production, are taken', async (t) => {
  const text = `witness a ${a} https://a.example/w\nwitness b ${b} http://127.0.0.1:8090\ngroup both all a b\nquorum both\n`
  const file = path.join(t.testdir({ policy: text, open: `witness a ${a} http://a.example\nquorum a\n` }), 'policy')
  const { witnesses, quorum } = await readWitnessPolicy(file, 'production')
  t.same(
    witnesses.map(({ name, url }) => [name, url]),
    [
      ['a', 'https://a.example/w'],
      ['b', 'http://127.0.0.1:8090'],
    ],
  )
  t.equal(quorum, 'both')
  t.ok(await readWitnessPolicy(path.join(path.dirname(file), 'open'), 'development'))
})
