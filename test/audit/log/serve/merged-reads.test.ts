import t from 'tap'
import { createMergedReads } from '../../../../services/audit/log/serve/merged-reads.ts'
import { ChartwardenError } from '../../../../services/kernel/errors.ts'
import { caught } from '../../../support/caught.ts'

/** A read that the test lets end. */
const heldRead = () => {
  const calls: { readonly clinic: string; readonly keys: readonly string[]; readonly end: (thrown?: unknown) => void }[] = []
  const read = (clinic: string, keys: readonly string[]): Promise<ReadonlyMap<string, string>> =>
    new Promise((resolve, reject) => {
      const end = (thrown?: unknown): void =>
        thrown === undefined
          ? resolve(new Map(keys.filter((key) => key !== 'none').map((key) => [key, `${clinic} ${key}`])))
          : reject(thrown)
      calls.push({ clinic, keys, end })
    })
  return { calls, read }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('what is asked for during a read goes together into the next, one at a time and each clinic for itself', async (t) => {
  const { calls, read } = heldRead()
  const reads = createMergedReads({ read })
  const first = reads('north', ['a'])
  const later = [reads('north', ['b', 'c']), reads('north', ['c', 'none'])]
  const other = reads('south', ['b'])
  t.strictSame(
    calls.map(({ clinic, keys }) => [clinic, keys]),
    [
      ['north', ['a']],
      ['south', ['b']],
    ],
    'another clinic does not wait',
  )
  calls[0]?.end()
  t.strictSame(await first, new Map([['a', 'north a']]))
  await tick()
  t.strictSame(calls[2]?.keys, ['b', 'c', 'none'], 'each key once')
  calls[2]?.end()
  for (const found of await Promise.all(later)) t.equal(found.get('c'), 'north c')
  t.equal((await later[1])?.has('none'), false)
  calls[1]?.end()
  t.equal((await other).get('b'), 'south b')
  const again = reads('north', ['a'])
  t.equal(calls.length, 4, 'nothing is kept: it is read again')
  calls[3]?.end()
  await again
})

t.test('a read that fails fails those who waited for it, and no others', async (t) => {
  const { calls, read } = heldRead()
  const reads = createMergedReads({ read })
  const [first, second] = [caught(reads('north', ['a'])), reads('north', ['b'])]
  calls[0]?.end(new ChartwardenError('LEDGER_UNAVAILABLE'))
  t.equal((await first).reason, 'LEDGER_UNAVAILABLE')
  await tick()
  calls[1]?.end()
  t.equal((await second).get('b'), 'north b')
})

t.test('reads stay of bounded size, and so does what waits', async (t) => {
  const { calls, read } = heldRead()
  const reads = createMergedReads({ read, mostKeys: 3, mostWaiting: 3 })
  const begun = reads('north', ['a'])
  const waiting = [reads('north', ['b', 'c']), reads('north', ['d']), reads('north', ['e', 'f', 'g', 'h'])]
  t.equal((await caught(reads('north', ['i']))).reason, 'OVERLOADED')
  t.equal(calls.length, 1)
  for (let call = 0; call < 3; call += 1) {
    calls[call]?.end()
    await tick()
  }
  t.strictSame(
    calls.map(({ keys }) => keys),
    [['a'], ['b', 'c', 'd'], ['e', 'f', 'g', 'h']],
    "one caller's stay together",
  )
  await Promise.all([begun, ...waiting])
})
