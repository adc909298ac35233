import t from 'tap'
import { type AccountOptions, type Answer, accountOf, accountProblems, type Logged } from './account.ts'

const entry = (revision: number, over: Partial<Logged> = {}): Logged => ({
  clinic: 'north',
  id: `entry-${revision}`,
  revision: BigInt(revision),
  decision: 'permit',
  recordedAt: 1_000,
  ...over,
})

const answer = (revision: number, over: Partial<Answer> = {}): Answer => {
  const { clinic, id, decision } = entry(revision)
  return { clinic, id, revision: BigInt(revision), decision, sentAt: 990, answeredAt: 1_002.5, ...over }
}

const account = (over: Partial<AccountOptions> = {}) =>
  accountOf({ asked: 2, answers: [answer(0), answer(1)], logged: [entry(0), entry(1)], gaps: 0, ...over })

t.test('answers that stand in the ledger as they were given leave nothing to say', (t) => {
  t.same(account(), { asked: 2, answered: 2, logged: 2, lost: 0, duplicated: 0, gaps: 0, permitsNotDurable: 0 })
  t.same(accountProblems(account()), [])
  t.end()
})

t.test('an answer is lost when its entry is missing, stands elsewhere, in another clinic, or says something else', (t) => {
  for (const second of [[], [entry(1, { revision: 7n })], [entry(1, { decision: 'deny' })], [entry(1, { decision: undefined })]]) {
    t.match(account({ logged: [entry(0), ...second] }), { lost: 1, permitsNotDurable: 1 })
  }
  t.match(account({ logged: [entry(0), entry(1, { clinic: 'south' })] }), { lost: 1, duplicated: 1 })
  t.match(accountProblems(account({ logged: [entry(0)] })), [/1 answers are not in the ledger/, /1 permits were given before/])
  t.end()
})

t.test('an entry that belongs to no answer is a second one, and so is one that two answers share or that is there twice', (t) => {
  t.match(account({ logged: [entry(0), entry(1), entry(2)] }), { duplicated: 1, lost: 0 })
  t.match(account({ answers: [answer(0), answer(0)], logged: [entry(0)] }), { duplicated: 1 })
  t.match(account({ logged: [entry(0), entry(1), entry(1)] }), { duplicated: 1 })
  t.match(accountProblems(account({ logged: [entry(0), entry(1), entry(2)] })), [/a second time/])
  t.end()
})

t.test('a permit whose entry was made after it had arrived was not durable; a deny and a clock that somebody sets do not count', (t) => {
  const late = [entry(0), entry(1, { recordedAt: 1_003 })]
  t.match(account({ logged: late }), { permitsNotDurable: 1, lost: 0 })
  t.match(account({ logged: late, sameClock: false }), { permitsNotDurable: 0 })
  const denied = {
    answers: [answer(0), answer(1, { decision: 'deny' })],
    logged: [entry(0), entry(1, { decision: 'deny', recordedAt: 1_003 })],
  }
  t.match(account(denied), { permitsNotDurable: 0, lost: 0 })
  t.end()
})

t.test('gaps, questions without an answer and a load that never was are told', (t) => {
  t.match(accountProblems(account({ gaps: 3 })), [/3 revisions or positions/])
  t.match(accountProblems(account({ asked: 5 })), [/3 of 5 questions were never answered/])
  t.match(accountProblems(account({ asked: 0, answers: [], logged: [] })), [/nothing was answered/])
  t.end()
})
