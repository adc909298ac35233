import t from 'tap'
import { createSharedPoll } from '../../../../services/audit/log/serve/shared-poll.ts'
import { ChartwardenError } from '../../../../services/kernel/errors.ts'
import { caught } from '../../../support/caught.ts'
import { waitFor } from '../../../support/wait-for.ts'

const counting = (look: (number: number) => number) => {
  let looks = 0
  const poll = createSharedPoll({
    look: async () => {
      looks += 1
      return look(looks)
    },
    pollMs: 2,
  })
  return { poll, looks: () => looks }
}

/** Timers of a poll keep no process alive. */
const settled = async <Result>(what: string, waiting: Promise<Result>): Promise<Result> => {
  let over = false
  const done = (): void => {
    over = true
  }
  waiting.then(done, done)
  await waitFor(what, () => over)
  return waiting
}

const never = new AbortController().signal

t.test('however many wait, one looks', async (t) => {
  const { poll, looks } = counting((number) => number)
  const found = await settled('all', Promise.all(Array.from({ length: 50 }, () => poll('north', (value) => value >= 5, never))))
  t.strictSame([...new Set(found)], [5])
  t.equal(looks(), 5)
})

t.test('each is done when it has enough; whoever goes ends nothing for the others, and the last ends the looking', async (t) => {
  const { poll, looks } = counting((number) => number)
  const [gone, last] = [new AbortController(), new AbortController()]
  const [first, cancelled, forever] = [
    poll('north', (value) => value >= 2, never),
    poll('north', () => false, gone.signal),
    poll('north', () => false, last.signal),
  ]
  t.equal(await settled('the first', first), 2)
  gone.abort()
  await t.rejects(cancelled, { name: 'AbortError' })
  const before = looks()
  await waitFor('another look', () => looks() > before)
  last.abort()
  await t.rejects(forever, { name: 'AbortError' })
  const end = looks()
  await settled(
    'another clinic',
    poll('south', (value) => value > end + 3, never),
  )
  t.equal(looks(), end + 4, 'nobody looks for a clinic that nobody waits for')
  await t.rejects(
    poll('north', () => true, AbortSignal.abort()),
    { name: 'AbortError' },
    'at once',
  )
})

t.test('a look that fails fails those who wait, and whoever comes later begins anew', async (t) => {
  const { poll } = counting((number) => {
    if (number === 1) throw new ChartwardenError('LEDGER_UNAVAILABLE')
    return number
  })
  const [one, other] = [caught(poll('north', () => true, never)), caught(poll('north', () => false, never))]
  t.equal((await settled('the failure', one)).reason, 'LEDGER_UNAVAILABLE')
  t.equal((await other).reason, 'LEDGER_UNAVAILABLE')
  t.equal(
    await settled(
      'the next',
      poll('north', () => true, never),
    ),
    2,
  )
})
