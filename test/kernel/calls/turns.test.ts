import t from 'tap'
import { createTurns } from '../../../services/kernel/calls/turns.ts'

const setUp = (unitsInTurn = 100) => {
  const scheduled: (() => void)[] = []
  const begun: string[] = []
  const turns = createTurns({ unitsInTurn, nextTurn: (work) => void scheduled.push(work) })
  const ask = (name: string, units: number): void => {
    const wait = turns.enter(units)
    if (wait === undefined) begun.push(name)
    else void wait.then(() => begun.push(name))
  }
  /** Lets the next turn begin, and what it begins. */
  const turn = async (): Promise<void> => {
    scheduled.shift()?.()
    await Promise.resolve()
  }
  return { scheduled, begun, ask, turn }
}

t.test('what fits into a turn begins at once, the rest in the next ones, in its order', async (t) => {
  const { scheduled, begun, ask, turn } = setUp()
  for (const name of ['a', 'b', 'c', 'd', 'e']) ask(name, 50)
  t.strictSame(begun, ['a', 'b'])
  await turn()
  t.strictSame(begun, ['a', 'b', 'c', 'd'])
  ask('f', 1)
  t.strictSame(begun, ['a', 'b', 'c', 'd'], 'nobody comes before those that wait')
  await turn()
  t.strictSame(begun, ['a', 'b', 'c', 'd', 'e', 'f'])
  await turn()
  t.equal(scheduled.length, 0, 'and nothing goes on where nobody waits')
})

t.test('what is larger than a turn has one of its own', async (t) => {
  const { begun, ask, turn } = setUp()
  ask('large', 512)
  ask('small', 1)
  ask('larger', 600)
  t.strictSame(begun, ['large'])
  await turn()
  t.strictSame(begun, ['large', 'small'])
  await turn()
  t.strictSame(begun, ['large', 'small', 'larger'])
})

t.test('by default others have their turn in between', async (t) => {
  const turns = createTurns({ unitsInTurn: 1 })
  const order: string[] = []
  await Promise.all(
    ['first', 'second', 'third'].map(async (name) => {
      await turns.enter(1)
      order.push(name)
      setImmediate(() => order.push(`after ${name}`))
    }),
  )
  t.strictSame(order, ['first', 'second', 'after first', 'third'])
})
