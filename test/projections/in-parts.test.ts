import t from 'tap'
import { inParts } from '../../services/projections/in-parts.ts'
import { waitFor } from '../support/wait-for.ts'

const batch = Array.from({ length: 1_300 }, (_, number) => number)

t.test('each part is prepared while the one before is written, and written after it', async (t) => {
  const seen: string[] = []
  const ends: (() => void)[] = []
  const done = inParts(
    batch,
    (part) => {
      seen.push(`prepare ${part[0]}–${part.at(-1)}`)
      return part[0]
    },
    (first) => {
      seen.push(`write ${first}`)
      const { promise, resolve } = Promise.withResolvers<void>()
      ends.push(() => {
        seen.push(`written ${first}`)
        resolve()
      })
      return promise
    },
  )
  for (const [part, prepared] of ['prepare 500–999', 'prepare 1000–1299'].entries()) {
    await waitFor('the next part to be prepared', () => seen.includes(prepared))
    ends[part]?.()
  }
  await waitFor('the last part to be under way', () => ends.length === 3)
  ends[2]?.()
  await done
  t.same(seen, [
    'prepare 0–499',
    'write 0',
    'prepare 500–999',
    'written 0',
    'write 500',
    'prepare 1000–1299',
    'written 500',
    'write 1000',
    'written 1000',
  ])
})

t.test('nothing is prepared or written for no events', async (t) => {
  const never = () => Promise.reject(new Error('not to be called'))
  await inParts([], never, never)
  t.pass()
})

t.test('a part that cannot be prepared is told of once the statement under way is over, for a rollback to follow it', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let prepared = 0
  let settled = false
  const done = inParts(
    batch,
    () => {
      prepared += 1
      if (prepared === 2) throw new TypeError('unreadable')
    },
    () => promise,
  ).finally(() => {
    settled = true
  })
  done.catch(() => {})
  await waitFor('the second part', () => prepared === 2)
  await new Promise(setImmediate)
  t.notOk(settled, 'while the first is being written')
  resolve()
  await t.rejects(done, TypeError)
  t.equal(prepared, 2, 'no further part')
})

t.test('a part that is refused ends the batch', async (t) => {
  const written: number[] = []
  const refuse = async (first: number) => {
    written.push(first)
    throw new Error('refused')
  }
  await t.rejects(
    inParts(batch, (part) => part[0] as number, refuse),
    { message: 'refused' },
  )
  t.same(written, [0])
})
