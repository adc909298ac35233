/** Policies of witnesses as files (C2SP tlog-policy). */
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { cosignerKeyOf } from '../../../services/audit/log/cosignature.ts'
import { formatVerifierKey, verifierKeyOf } from '../../../services/audit/log/note.ts'
import { isSatisfied, parseWitnessPolicy, type WitnessPolicy } from '../../../services/audit/log/witness-policy.ts'

const key = () => generateKeyPairSync('ed25519').privateKey
const witness = (name: string) => `witness ${name} ${formatVerifierKey(cosignerKeyOf(`${name}.example`, key()))}`
const log = `log ${formatVerifierKey(verifierKeyOf('log.example', key()))}`
const names = ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3']
const witnesses = names.map(witness)

/** The example of the specification. */
const example = `${log}

${witnesses.slice(0, 3).join('\n')}
group X-witnesses 2 X1 X2 X3

${witnesses.slice(3).join('\n')}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`

const policy = (text: string): WitnessPolicy => {
  const parsed = parseWitnessPolicy(text)
  if ('problem' in parsed) throw new Error(`line ${parsed.line}: ${parsed.problem}`)
  return parsed
}

t.test('the example of the specification asks for two of one house and one of the other, whoever of them it is', async (t) => {
  const read = policy(example)
  for (let chosen = 0; chosen < 64; chosen += 1) {
    const cosigners = names.filter((_, index) => chosen & (1 << index))
    const wanted = cosigners.filter((name) => name.startsWith('X')).length >= 2 && cosigners.some((name) => name.startsWith('Y'))
    t.equal(isSatisfied(read, cosigners), wanted, cosigners.join(' '))
  }
  t.notOk(isSatisfied(read, ['X1', 'X1', 'Y1']), 'nobody counts twice')
  t.notOk(isSatisfied(read, ['unknown', 'X1', 'Y1']))
})

t.test('comments, blanks, tabs and addresses are where the specification allows them', async (t) => {
  const read = policy(`# é\n \t${witnesses[0]}\t https://w.example/x \n\n\t# another\n${log} https://log.example\nquorum X1\n`)
  t.match(read, { witnesses: [{ name: 'X1', url: 'https://w.example/x' }], logs: [{ url: 'https://log.example' }], quorum: 'X1' })
  t.ok(isSatisfied(read, ['X1']))
  t.notOk(isSatisfied(read, []))
  t.ok(isSatisfied(policy('quorum none\n'), []))
})

t.test('32 logs, witnesses and groups are taken', async (t) => {
  const many = Array.from({ length: 32 }, (_, index) => index)
  const read = policy(
    [
      ...many.map((index) => `log ${formatVerifierKey(verifierKeyOf(`log-${index}`, key()))}`),
      ...many.map((index) => witness(`w${index}`)),
      ...many.map((index) => `group g${index} all w${index} ${index === 0 ? '' : `g${index - 1}`}`),
      'quorum g31',
      '',
    ].join('\n'),
  )
  t.ok(
    isSatisfied(
      read,
      many.map((index) => `w${index}`),
    ),
  )
  t.notOk(
    isSatisfied(
      read,
      many.slice(1).map((index) => `w${index}`),
    ),
  )
})

t.test('what is wrong is told with its line', async (t) => {
  const [x1 = '', x2 = ''] = witnesses
  const sameKey = x1.replace('X1', 'other')
  const cases: readonly (readonly [string, RegExp, number])[] = [
    ['', /no quorum line/, 0],
    ['quorum none', /does not end/, 1],
    [`${x1}\n`, /no quorum line/, 0],
    ['quorum none\nquorum none\n', /quorum line already/, 2],
    ['quorum\n', /expected: quorum/, 1],
    ['quorum a b\n', /expected: quorum/, 1],
    [`quorum X1\n${x1}\n`, /not defined on a line ahead/, 1],
    [`${x1}\n${x1}\n`, /taken|listed already/, 2],
    [`${x1}\n${sameKey}\n`, /listed already/, 2],
    [`${x1}\n${x2.replace('X2', 'X1')}\n`, /taken/, 2],
    [`${log}\n${log}\n`, /listed already/, 2],
    [`${x1.replace('X1', 'none')}\n`, /cannot be a name/, 1],
    [`${x1}\ngroup none any X1\n`, /cannot be a name/, 2],
    [`${x1}\ngroup X1 any X1\n`, /taken/, 2],
    ['witness a\n', /verifier key is not one/, 1],
    ['witness a b c d\n', /expected: witness/, 1],
    ['log a b c\n', /expected: log/, 1],
    [`witness a ${log.slice(4)}\n`, /type cannot be used/, 1],
    [`log ${x1.split(' ')[2]}\n`, /type cannot be used/, 1],
    [`${x1}\ngroup g any\n`, /expected: group/, 2],
    [`${x1}\ngroup g 0 X1\n`, /threshold/, 2],
    [`${x1}\ngroup g 01 X1\n`, /threshold/, 2],
    [`${x1}\ngroup g 2 X1\n`, /threshold/, 2],
    [`${x1}\ngroup g most X1\n`, /threshold/, 2],
    [`${x1}\ngroup g any g\n`, /not defined on a line ahead/, 2],
    [`${x1}\ngroup g any none\n`, /not defined on a line ahead/, 2],
    [`${x1}\ngroup g any X1 X1\n`, /in a group already/, 2],
    [`${x1}\ngroup g any X1\ngroup h any X1\n`, /in a group already/, 3],
    ['threshold 2\n', /begins with/, 1],
    ['constructor x\n', /begins with/, 1],
    ['quorum\u000bnone\n', /control characters/, 1],
    ['quorum none\r\n', /control characters/, 1],
  ]
  for (const [text, problem, line] of cases) t.match(parseWitnessPolicy(text), { problem, line }, JSON.stringify(text.slice(0, 40)))
})

t.test('a no-break space is a part of a name, not a space between words', async (t) => {
  t.match(parseWitnessPolicy('quorum\u00a0none\n'), { problem: /begins with/ })
})
