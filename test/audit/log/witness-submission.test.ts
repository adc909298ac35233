/** What is learnt from one conflict after the other, and what counts as a dispute. */
import t, { type Test } from 'tap'
import { createWitnessClient } from '../../../services/audit/log/witness-client.ts'
import { submitHead } from '../../../services/audit/log/witness-submission.ts'
import type { NaiveTree } from '../../support/naive-tree.ts'
import { answer, type Script, scriptedWitness } from '../../support/scripted-witness.ts'
import { startTestWitness } from '../../support/test-witness.ts'
import { forkedTree, witnessedLog } from '../../support/witnessed-log.ts'

const log = witnessedLog()
const never = new AbortController().signal

interface Wishes {
  readonly tree?: NaiveTree
  readonly tiles?: NaiveTree
  readonly newest?: bigint
}

const submit = (witness: Parameters<typeof createWitnessClient>[0], size: number, oldSize: bigint, wishes: Wishes = {}) => {
  const { tree = log.tree, tiles = tree, newest = BigInt(size) } = wishes
  return submitHead({
    client: createWitnessClient(witness),
    head: log.head(size, tree),
    oldSize,
    tiles: tiles.source(BigInt(size)),
    newest: async () => newest,
    signal: never,
  })
}

t.test('whatever is believed of what it knows, an honest witness cosigns', async (t) => {
  for (const believed of [0n, 3n, 9n, 20n, 39n]) {
    const { asPolicy, post } = await startTestWitness(t, { logs: [log] })
    await post(log.request(0, 9))
    t.equal((await submit(asPolicy, 20, believed)).kind, 'cosigned', `${believed}`)
    t.equal((await submit(asPolicy, 20, believed)).kind, 'cosigned', `${believed}, the same head again`)
  }
})

t.test('a witness that has seen more than there is disputes the head', async (t) => {
  const { asPolicy, post } = await startTestWitness(t, { logs: [log] })
  await post(log.request(0, 20))
  t.same(await submit(asPolicy, 9, 0n), { kind: 'ahead', size: 20n })
  t.same(await submit(asPolicy, 9, 9n), { kind: 'ahead', size: 20n })
})

t.test('unless another sealer has published that meanwhile', async (t) => {
  const { asPolicy, post } = await startTestWitness(t, { logs: [log] })
  await post(log.request(0, 20))
  t.same(await submit(asPolicy, 9, 0n, { newest: 20n }), { kind: 'superseded' })
})

t.test('a ledger that was rolled back and has grown past what was witnessed is disputed', async (t) => {
  const { asPolicy, post } = await startTestWitness(t, { logs: [log] })
  await post(log.request(0, 9))
  t.same(await submit(asPolicy, 20, 0n, { tree: forkedTree(40, 3) }), { kind: 'disagrees', size: 9n })
  t.same(await submit(asPolicy, 9, 0n, { tree: forkedTree(40, 3) }), { kind: 'disagrees', size: 9n }, 'and one of the same size')
})

t.test('tiles that do not prove the head are nobody else’s fault: no witness is asked', async (t) => {
  const witness = await scriptedWitness(t)
  t.same(await submit(witness.asPolicy, 20, 9n, { tiles: forkedTree(40, 3) }), { kind: 'unproven', size: 9n })
  t.same(witness.asked, [])
})

const conflicts = (...sizes: readonly string[]): Script => {
  const rest = [...sizes]
  return (request, response, message) => answer(409, `${rest.shift()}\n`)(request, response, message)
}

const nonsense = async (test: Test, script: Script): Promise<readonly [string, number]> => {
  const witness = await scriptedWitness(test, script)
  return [(await submit(witness.asPolicy, 20, 0n)).kind, witness.asked.length]
}

t.test('a witness that answers one conflict after the other is left alone after the third', async (t) => {
  t.same(await nonsense(t, conflicts('5', '6', '7', '8')), ['nonsense', 3])
  t.same(await nonsense(t, conflicts('0')), ['nonsense', 1], 'the very size it was asked with')
  t.same(await nonsense(t, conflicts('5', '5')), ['nonsense', 2])
})

t.test('a witness of an older draft says conflict where the root is another', async (t) => {
  const witness = await scriptedWitness(t, conflicts('20', '20'))
  t.same(await submit(witness.asPolicy, 20, 0n), { kind: 'disagrees', size: 20n })
})

t.test('a head that is not what its note says is not shown to anybody', async (t) => {
  const witness = await scriptedWitness(t)
  const client = createWitnessClient(witness.asPolicy)
  const common = { client, oldSize: 0n, tiles: log.tree.source(9n), newest: async () => 9n, signal: never }
  for (const head of [
    { ...log.head(9), size: 8n },
    { ...log.head(9), note: 'hello' },
  ])
    t.equal((await submitHead({ ...common, head })).kind, 'unproven')
  t.same(witness.asked, [])
})
