import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { accountOf, accountProblems } from './account.ts'
import { type LoadOptions, type Reply, startLoad } from './load.ts'

const reply: Reply = { clinic: 'north', id: 'entry-0', revision: 0n, decision: 'permit' }

const load = (ask: LoadOptions['ask'], over: Partial<LoadOptions> = {}) =>
  startLoad({ ask, reasonOf: () => 'unavailable', ready: async () => {}, callers: 2, retryMs: 1, ...over })

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The first caller is answered, the second by what is given. */
const secondOf =
  (second: () => Promise<Reply>): LoadOptions['ask'] =>
  (caller) =>
    caller === 0 ? () => turn().then(() => reply) : second

const problemsOf = ({ asked, answers }: ReturnType<typeof load>): readonly string[] =>
  accountProblems(accountOf({ asked, answers, logged: [], gaps: 0 }))

t.test('a load is finished when all that was asked is answered, however often it was asked', async (t) => {
  let refused = 0
  const flaky = async (): Promise<Reply> => {
    refused += 1
    if (refused % 3 !== 0) throw new Error('not now')
    return reply
  }
  const calls = load(secondOf(flaky))
  await calls.nextAnswer()
  await calls.finish()
  t.equal(calls.answers.length, calls.asked)
  t.equal(calls.inFlight(), 0)
})

const unanswered: readonly (readonly [what: string, second: () => Promise<Reply>])[] = [
  ['refused for good', () => Promise.reject(new Error('not now'))],
  ['left without a word', () => new Promise(() => {})],
]

for (const [what, second] of unanswered) {
  t.test(`a question that is ${what} is told of as never answered`, async (t) => {
    const calls = load(secondOf(second), { patienceMs: 20 })
    await calls.nextAnswer()
    await calls.finish()
    t.equal(calls.asked - calls.answers.length, 1)
    t.ok(problemsOf(calls).some((problem) => /^1 of \d+ questions were never answered$/.test(problem)))
  })
}

t.test('an answer that comes when nobody waits any more is none, so that the account does not change while it is made', async (t) => {
  const { promise, resolve } = Promise.withResolvers<Reply>()
  const calls = load(
    secondOf(() => promise),
    { patienceMs: 20 },
  )
  await calls.nextAnswer()
  await calls.finish()
  const { length } = calls.answers
  resolve(reply)
  await promise
  await turn()
  t.equal(calls.answers.length, length)
})

t.test('nobody who has given up asks again', async (t) => {
  const { promise, reject } = Promise.withResolvers<Reply>()
  let asked = 0
  const second = (): Promise<Reply> => {
    asked += 1
    return promise
  }
  const calls = load(secondOf(second), { patienceMs: 20 })
  await calls.nextAnswer()
  await calls.finish()
  reject(new Error('not now'))
  await turn()
  // Timers of one length end in the order they were set, and the caller's pause was set before this one.
  await delay(1)
  await turn()
  t.equal(asked, 1)
})
