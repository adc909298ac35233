import fc from 'fast-check'
import t from 'tap'
import { createFairRoom, type FairRoom, type Taking } from '../../services/kernel/fair-room.ts'

type MakeRoom = (units: number) => FairRoom

const take = fc.record({ holder: fc.constantFrom('a', 'b', 'c', 'd'), units: fc.integer({ min: 1, max: 40 }), leaves: fc.boolean() })

/** Never more in than there is room; nothing left once all have left; and each refusal is one that the rule asks for. */
const keepsTheRule = (make: MakeRoom) =>
  fc.property(fc.integer({ min: 40, max: 200 }), fc.array(take, { maxLength: 200 }), (size, steps) => {
    const room = make(size)
    const inside: { holder: string; units: number }[] = []
    const sum = (holder?: string): number =>
      inside.reduce((total, one) => total + (holder === undefined || one.holder === holder ? one.units : 0), 0)
    for (const { holder, units, leaves } of steps) {
      const first = inside[0]
      if (leaves && first !== undefined) {
        room.give(first.holder, first.units)
        inside.shift()
      } else {
        const free = size - sum() - units
        const expected: Taking = free < 0 ? 'full' : sum(holder) > 0 && sum(holder) + units > free ? 'share' : 'taken'
        const taking = room.take(holder, units)
        if (taking !== expected) return false
        if (taking === 'taken') inside.push({ holder, units })
      }
      if (room.taken !== sum() || room.taken > size) return false
    }
    for (const { holder, units } of inside) room.give(holder, units)
    return room.taken === 0 && room.take('e', size) === 'taken'
  })

t.test('nobody holds more than is left free, and what is given back is there again', async () => {
  fc.assert(keepsTheRule(createFairRoom))
})

t.test('sabotage: a room that does not take back is noticed', async (t) => {
  const leaking: MakeRoom = (units) => {
    const room = createFairRoom(units)
    return {
      ...room,
      take: room.take,
      give: () => undefined,
      get taken() {
        return room.taken
      },
    }
  }
  t.ok(fc.check(keepsTheRule(leaking)).failed)
})

/** What a newcomer finds once so many greedy holders have taken, one unit each in turn, all that they are given. */
const foundBehind = (greedy: number, make: MakeRoom): Taking => {
  const room = make(1_000)
  for (let turn = 0; turn < 1_000; turn += 1) for (let holder = 0; holder < greedy; holder += 1) room.take(`greedy-${holder}`, 1)
  return room.take('newcomer', Math.floor(1_000 / (greedy + 1)))
}

t.test('however many are greedy, they leave a share of the same size to whoever comes', async (t) => {
  for (const greedy of [1, 2, 3, 5, 9, 31]) t.equal(foundBehind(greedy, createFairRoom), 'taken', `${greedy} greedy holders`)
})

t.test('sabotage: where whoever comes first is served, nothing is left', async (t) => {
  const firstCome: MakeRoom = (units) => {
    let taken = 0
    return {
      get taken() {
        return taken
      },
      take: (_, wanted) => {
        if (taken + wanted > units) return 'full'
        taken += wanted
        return 'taken'
      },
      give: (_, given) => {
        taken -= given
      },
    }
  }
  t.equal(foundBehind(1, firstCome), 'full')
})

t.test('one piece of work may be as large as the room', async (t) => {
  const room = createFairRoom(10)
  t.equal(room.take('a', 10), 'taken')
  t.equal(room.take('b', 1), 'full')
  room.give('a', 10)
  t.equal(room.take('a', 11), 'full')
})
