import t from 'tap'
import { findBehindBoth } from '../../../services/audit/log/find-behind.ts'

t.test('a process that reads the signer store asks it until it names nobody, and what was found by who signs from then on', async (t) => {
  let stored = new Map([['north', 'less than was signed']])
  let halted = new Map<string, string>()
  let looks = 0
  const find = findBehindBoth(
    async () => {
      looks += 1
      return stored
    },
    async () => halted,
  )
  t.same([...(await find()).keys()], ['north'], 'known by the store before who signs has looked')
  halted = new Map([['south', 'halted']])
  t.same([...(await find()).keys()], ['south', 'north'])
  stored = new Map()
  t.same([...(await find()).keys()], ['south'])
  t.same([...(await find()).keys()], ['south'])
  t.equal(looks, 3, 'nobody is named by the store, so that it is not asked any more')
  halted = new Map()
  t.equal((await find()).size, 0)
})

t.test('a fault of either is no answer', async (t) => {
  const unreadable = async (): Promise<never> => {
    throw new Error('no such directory')
  }
  await t.rejects(findBehindBoth(unreadable, async () => new Map())(), { message: 'no such directory' })
  await t.rejects(findBehindBoth(async () => new Map(), unreadable)(), { message: 'no such directory' })
})
