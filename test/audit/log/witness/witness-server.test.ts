/** Every status of tlog-witness against the real server over real files, by the words of the specification. */
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { parseCheckpoint } from '../../../../services/audit/log/checkpoint.ts'
import { parseNote, parseSignature, verifyNote } from '../../../../services/audit/log/note.ts'
import { maxRequestBytes } from '../../../../services/audit/log/witness/add-checkpoint.ts'
import { startTestWitness, type TestWitness } from '../../../support/test-witness.ts'
import { forkedTree, strangersLine, witnessedLog } from '../../../support/witnessed-log.ts'

const log = witnessedLog()
const unwatched = witnessedLog('log.example/v1/clinics/south/log')
const pretender = witnessedLog(log.origin)
const fork = forkedTree(40, 3)
const one = Buffer.alloc(32, 1)

/** A witness that has cosigned nine entries of the log. */
const witnessAtNine = async (t: Test): Promise<TestWitness> => {
  const witness = await startTestWitness(t, { logs: [log] })
  t.equal((await witness.post(log.request(0, 9))).status, 200)
  return witness
}

const table: readonly (readonly [what: string, body: string, status: number, answer?: RegExp])[] = [
  ['growth with its proof', log.request(9, 20), 200, /^— witness\.example [A-Za-z0-9+/]+=*\n$/],
  ['the same head again', log.request(9, 9), 200, /^— witness\.example /],
  ['growth with a stranger below the note', log.request(9, 20, { note: log.head(20).note + strangersLine(log.head(20).text) }), 200],
  ['something that is no request', 'hello', 400],
  ['an empty body', '', 400],
  ['sixty-four hashes', log.request(9, 20, { proof: Array.from({ length: 64 }, () => one) }), 400],
  ['an old size larger than the checkpoint', log.request(9, 5), 400],
  ['a head signed by another key', pretender.request(9, 20), 403],
  ['a head signed by nobody known', log.request(9, 20, { note: `${log.head(20).text}\n${strangersLine(log.head(20).text)}` }), 403],
  ['a log that is not watched', unwatched.request(0, 9), 404],
  ['an old size of nothing', log.request(0, 20), 409, /^9\n$/],
  ['another old size', log.request(8, 20), 409, /^9\n$/],
  ['a larger old size', log.request(10, 20), 409, /^9\n$/],
  ['an older head', log.request(4, 8), 409, /^9\n$/],
  ['a proof of another history', log.request(9, 20, { tree: fork }), 422],
  ['no proof', log.request(9, 20, { proof: [] }), 422],
  ['a changed proof', log.request(9, 20, { proof: log.tree.proof(0n, 9n, 0n, 20n).with(0, one) }), 422],
  ['a hash too many', log.request(9, 20, { proof: [...log.tree.proof(0n, 9n, 0n, 20n), one] }), 422],
  ['another root of the same size', log.request(9, 9, { tree: fork }), 422],
  ['the same head with a proof', log.request(9, 9, { proof: [one] }), 422],
]

t.test('every status, after nine entries were cosigned', async (t) => {
  for (const [what, body, status, answer] of table) {
    await t.test(`${what}: ${status}`, async (t) => {
      const witness = await witnessAtNine(t)
      const response = await witness.post(body)
      t.equal(response.status, status)
      if (answer !== undefined) t.match(await response.text(), answer)
      if (status === 409) t.equal(response.headers.get('content-type'), 'text/x.tlog.size')
      const [record] = witness.records()
      t.equal(record?.head.size, status === 200 && body.includes('\n20\n') ? 20n : 9n, 'what it remembers moves with 200 alone')
    })
  }
})

t.test('a log never seen', async (t) => {
  for (const [what, body, status] of [
    ['its first head', log.request(0, 9), 200],
    ['the empty log', log.request(0, 0), 200],
    ['a proof where none can be', log.request(0, 9, { proof: [one] }), 422],
    ['an empty log with another root', log.request(0, 0, { note: log.headOf(0n, one).note }), 422],
    ['an old size', log.request(4, 9), 409],
  ] as const) {
    const witness = await startTestWitness(t, { logs: [log] })
    t.equal((await witness.post(body)).status, status, what)
  }
})

t.test('the answer is a cosignature of the checkpoint by the witness alone, of now', async (t) => {
  const witness = await startTestWitness(t, { logs: [log] })
  const answer = await (await witness.post(log.request(0, 9))).text()
  const verified = verifyNote(`${log.head(9).note}${answer}`, [witness.key.verifierKey])
  t.equal(verified.kind, 'verified')
  const signature = parseSignature(answer.trimEnd())
  const seconds = Number(signature?.signature.readBigUInt64BE() ?? 0n)
  t.ok(Math.abs(seconds - Date.now() / 1_000) < 120)
})

t.test('the read side serves the newest checkpoint with both signatures, by the hash of its origin', async (t) => {
  const witness = await witnessAtNine(t)
  await witness.post(log.request(9, 20, { note: log.head(20).note + strangersLine(log.head(20).text) }))
  const address = `${witness.url}/${createHash('sha256').update(log.origin).digest('hex')}/checkpoint`
  const response = await fetch(address)
  const note = await response.text()
  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^text\/plain; charset=utf-8/)
  t.equal(parseCheckpoint(parseNote(note)?.text ?? '')?.size, 20n)
  t.equal(verifyNote(note, [log.key]).kind, 'verified')
  t.equal(verifyNote(note, [witness.key.verifierKey]).kind, 'verified')
  t.equal(parseNote(note)?.signatures.length, 2, 'lines that it could not verify are left out')
  for (const path of [`/${'0'.repeat(64)}/checkpoint`, '/x/checkpoint', '/', '/add-checkpoint', `/${log.origin}/checkpoint`])
    t.equal((await fetch(`${witness.url}${path}`)).status, 404, path)
})

t.test('the media type of a request is not asked for', async (t) => {
  const witness = await startTestWitness(t, { logs: [log] })
  for (const type of ['text/plain', 'application/octet-stream', 'application/json', 'text/x.whatever; charset=utf-8'])
    t.equal(
      (await witness.post(log.request(0, 9).replace('old 0', 'old 0'), { 'content-type': type })).status,
      type === 'text/plain' ? 200 : 409,
    )
})

t.test('a body that is too large is not read to its end', async (t) => {
  const witness = await startTestWitness(t, { logs: [log] })
  t.equal((await witness.post('x'.repeat(maxRequestBytes + 1))).status, 413)
  t.equal((await witness.post(log.request(0, 9))).status, 200)
})

t.test('requests at the same time are judged one after the other: exactly one of two rivals is cosigned', async (t) => {
  const witness = await witnessAtNine(t)
  const rivals = [...Array.from({ length: 10 }, () => log.request(9, 20)), ...Array.from({ length: 10 }, () => log.request(9, 21))]
  const statuses = await Promise.all(rivals.map(async (body) => (await witness.post(body)).status))
  t.equal(statuses.filter((status) => status === 200).length, 1)
  t.equal(statuses.filter((status) => status === 409).length, rivals.length - 1)
})

t.test('bytes that are not HTTP do not disturb it', async (t) => {
  const witness = await startTestWitness(t, { logs: [log] })
  const socket = connect(Number(new URL(witness.url).port), '127.0.0.1')
  socket.end('old 0\n\n\n\n')
  await textOf(socket)
  t.equal((await witness.post(log.request(0, 9))).status, 200)
})

t.test('what it is told of each answer names the log only if it is watched', async (t) => {
  const witness = await witnessAtNine(t)
  await witness.post(unwatched.request(0, 9))
  await witness.post('hello')
  await witness.post(log.request(9, 9, { tree: fork }))
  const { evidence, ...told } = witness.events.at(-1) ?? {}
  t.same(witness.events.slice(1, 3), [{ answer: 'unknown_origin' }, { answer: 'malformed' }])
  t.same(told, { answer: 'fork', origin: log.origin, size: 9n, lastSize: 9n })
  t.match(evidence, /\.fork$/)
})
