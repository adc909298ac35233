/** What a witness can answer, and that nothing of it is believed without its own key, waited for long or followed elsewhere. */
import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { signCosignature } from '../../../services/audit/log/cosignature.ts'
import { formatSignature, parseSignature } from '../../../services/audit/log/note.ts'
import { createWitnessClient, type WitnessReply } from '../../../services/audit/log/witness-client.ts'
import { answer, type Script, scriptedWitness } from '../../support/scripted-witness.ts'
import { startTestWitness } from '../../support/test-witness.ts'
import { strangersLine, witnessedLog } from '../../support/witnessed-log.ts'

const log = witnessedLog()
const head = log.head(9)
const submission = { oldSize: 0n, proof: [], note: head.note, text: head.text }
const never = new AbortController().signal

/** What the client makes of a script's answer. */
const replyTo = async (test: Test, script: Script | undefined, timeoutMs = 5_000): Promise<WitnessReply> => {
  const witness = await scriptedWitness(test, script)
  return createWitnessClient({ ...witness.asPolicy, timeoutMs }).addCheckpoint(submission, never)
}

t.test('our own witness answers with a cosignature that is kept', async (t) => {
  const witness = await startTestWitness(t, { logs: [log] })
  const reply = await createWitnessClient(witness.asPolicy).addCheckpoint(submission, never)
  t.equal(reply.kind, 'cosigned')
  if (reply.kind === 'cosigned') t.equal(parseSignature(reply.line)?.name, 'witness.example')
})

t.test('lines of other keys beside the right one are ignored', async (t) => {
  const witness = await scriptedWitness(t)
  witness.follow((request, response, message) => {
    response.write(strangersLine(head.text))
    witness.honest(request, response, message)
  })
  const reply = await createWitnessClient(witness.asPolicy).addCheckpoint(submission, never)
  t.equal(reply.kind, 'cosigned')
  if (reply.kind === 'cosigned') t.notMatch(reply.line, 'stranger')
})

const impostor = generateKeyPairSync('ed25519').privateKey
const byImpostor = `${formatSignature(signCosignature(head.text, 'scripted.example', impostor, 1n))}\n`

const answers: readonly (readonly [what: string, script: Script, kind: WitnessReply['kind']])[] = [
  ['a size', answer(409, '12\n', { 'content-type': 'text/x.tlog.size' }), 'conflict'],
  ['the largest size there is', answer(409, '18446744073709551615\n'), 'conflict'],
  ['a size that is too large', answer(409, '18446744073709551616\n'), 'nonsense'],
  ['a size without its line feed', answer(409, '12'), 'nonsense'],
  ['a size with leading zeros', answer(409, '012\n'), 'nonsense'],
  ['a conflict without a size', answer(409, ''), 'nonsense'],
  ['a size in words', answer(409, 'twelve\n'), 'nonsense'],
  ['a refused proof', answer(422, 'no'), 'not_proven'],
  ['an unknown log', answer(404), 'refused'],
  ['an unknown key', answer(403), 'refused'],
  ['not understood', answer(400), 'refused'],
  ['overload', answer(429), 'unavailable'],
  ['a fault', answer(500, 'stack trace'), 'unavailable'],
  ['a gateway without a witness', answer(502), 'unavailable'],
  ['an empty answer', answer(200, ''), 'nonsense'],
  ['words', answer(200, 'ok\n'), 'nonsense'],
  ['a cosignature of its name with another key', answer(200, byImpostor), 'nonsense'],
  ['a line that is not UTF-8', (_request, response) => response.end(Buffer.from([0xe2, 0x80, 0x94, 0xff, 0x0a])), 'nonsense'],
  ['another status', answer(418), 'nonsense'],
  ['created', answer(201, 'x'), 'nonsense'],
]

for (const [what, script, kind] of answers) {
  t.test(`${what}: ${kind}`, async (t) => {
    t.equal((await replyTo(t, script)).kind, kind)
  })
}

t.test('a cosignature of another checkpoint is not kept', async (t) => {
  const other = log.head(8)
  const witness = await scriptedWitness(t)
  witness.follow((request, response, message) =>
    witness.honest({ ...request, body: { ...request.body, text: other.text } }, response, message),
  )
  t.equal((await createWitnessClient(witness.asPolicy).addCheckpoint(submission, never)).kind, 'nonsense')
})

t.test('twin: the same line is kept where it is of the checkpoint that was sent', async (t) => {
  t.equal((await replyTo(t, undefined)).kind, 'cosigned')
})

t.test('a redirect is not followed', async (t) => {
  const elsewhere = await scriptedWitness(t)
  for (const status of [301, 302, 307, 308]) {
    t.equal((await replyTo(t, answer(status, '', { location: `${elsewhere.url}/add-checkpoint` }))).kind, 'nonsense', String(status))
  }
  t.same(elsewhere.asked, [])
})

t.test('an answer that does not come, and one that does not end, are given up', async (t) => {
  t.equal((await replyTo(t, () => {}, 200)).kind, 'unavailable')
  const drip: Script = (_request, response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write('—'), 20)
    response.on('close', () => clearInterval(timer))
  }
  t.equal((await replyTo(t, drip, 200)).kind, 'unavailable')
})

t.test('an answer without end is cut long before it fills the memory', async (t) => {
  let sent = 0
  const flood: Script = (_request, response) => {
    response.writeHead(200)
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 'a'))) sent += 65_536
      sent += 65_536
      response.once('drain', more)
    }
    more()
  }
  t.equal((await replyTo(t, flood)).kind, 'nonsense')
  t.ok(sent < 50_000_000, `${sent} bytes`)
})

t.test('a connection that is cut, or refused, is no answer', async (t) => {
  t.equal((await replyTo(t, (_request, response) => response.destroy())).kind, 'unavailable')
  const gone = await scriptedWitness(t)
  await gone.close()
  t.equal((await createWitnessClient(gone.asPolicy).addCheckpoint(submission, never)).kind, 'unavailable')
})

t.test('who stops does not wait for an answer', async (t) => {
  const stop = new AbortController()
  const witness = await scriptedWitness(t, () => stop.abort())
  t.equal((await createWitnessClient(witness.asPolicy).addCheckpoint(submission, stop.signal)).kind, 'unavailable')
})

t.test('the submission prefix may have a path, with a slash at its end or not', async (t) => {
  const witness = await scriptedWitness(t)
  for (const prefix of ['/w', '/w/', '', '/'])
    await createWitnessClient({ ...witness.asPolicy, url: `${witness.url}${prefix}` }).addCheckpoint(submission, never)
  t.same(
    witness.asked.map(({ path }) => path),
    ['/w/add-checkpoint', '/w/add-checkpoint', '/add-checkpoint', '/add-checkpoint'],
  )
})
