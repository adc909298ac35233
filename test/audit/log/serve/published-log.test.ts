import t from 'tap'
import { inclusionProof } from '../../../../services/audit/log/proofs.ts'
import { treeOf } from '../../../../services/audit/log/serve/published-log.ts'
import { leafHash } from '../../../../services/audit/log/tree-hash.ts'
import { verifyInclusion } from '../../../../services/audit/log/verify-proofs.ts'
import { caught } from '../../../support/caught.ts'
import { type LogDoorOptions, servedLog } from '../../../support/log-door.ts'
import { memoryLog } from '../../../support/memory-log.ts'

const fullTile = { level: 0, index: 0n }
const edge = { level: 0, index: 1n }

const open = async (entries: number, published: number, options: LogDoorOptions = {}) => {
  const log = memoryLog()
  log.add(entries)
  log.publish(published)
  const served = servedLog(log, options)
  const tree = async () => {
    const head = await served.published.newest('north')
    return treeOf(head.log, head.checkpoint as NonNullable<typeof head.checkpoint>)
  }
  return { log, ...served, tree }
}

t.test('full tiles are kept, those at the edge are read anew, and both end where the published tree does', async (t) => {
  const { log, published, tree } = await open(600, 300)
  const first = await tree()
  const [full, partial] = await published.tiles(first, [fullTile, edge])
  t.strictSame([full?.hashes.length, partial?.hashes.length], [8_192, 44 * 32])
  await published.tiles(first, [fullTile])
  t.equal(log.calls.tiles, 1, 'a full one comes from memory')
  await published.tiles(first, [edge])
  t.equal(log.calls.tiles, 1, 'and so does one that is full by now, as far as it is published')
  log.publish(600)
  const [grown] = await published.tiles(await tree(), [edge])
  t.equal(grown?.hashes.length, 8_192)
  t.equal((await published.tiles(first, [edge]))[0]?.hashes.length, 44 * 32, 'the older tree stays as it was')
  await published.tiles(await tree(), [{ level: 0, index: 2n }])
  const before = log.calls.tiles
  await published.tiles(await tree(), [{ level: 0, index: 2n }])
  t.equal(log.calls.tiles, before + 1, 'what may still grow is not kept')
})

t.test('what is kept is bounded', async (t) => {
  const { log, published, tree } = await open(1_024, 1_024, { cacheBytes: 8_192 })
  const of = await tree()
  await published.tiles(of, [fullTile])
  await published.tiles(of, [fullTile])
  t.equal(log.calls.tiles, 1)
  await published.tiles(of, [edge])
  await published.tiles(of, [fullTile])
  t.equal(log.calls.tiles, 3, 'twin: the second has taken the place of the first')
})

t.test('a log that begins anew during a read is no damage; nothing of the one is taken for the other', async (t) => {
  const { log, published, damages, tree } = await open(300, 300)
  const old = await tree()
  await published.tiles(old, [fullTile])
  log.restart()
  t.equal((await caught(published.tiles(old, [edge]))).reason, 'NOT_PUBLISHED')
  log.publish(300)
  const before = log.calls.tiles
  await published.tiles(await tree(), [fullTile])
  t.equal(log.calls.tiles, before + 1, 'not from what was kept of the other')
  t.strictSame(damages, [])
})

t.test('signatures are looked at once a checkpoint, its columns each time', async (t) => {
  let asked = 0
  const log = memoryLog()
  log.add(5)
  log.publish(4)
  const { published } = servedLog(log, {
    verifierKeys: async () => {
      asked += 1
      return log.verifierKeys()
    },
  })
  for (let call = 0; call < 3; call += 1) await published.newest('north')
  t.equal(asked, 1)
  log.publish(5)
  await published.newest('north')
  t.equal(asked, 2)
  log.editCheckpoint((checkpoint) => ({ ...checkpoint, root: Buffer.alloc(32) }))
  t.equal((await caught(published.newest('north'))).reason, 'LOG_DAMAGED')
})

t.test('a proof from edited tiles is false, which only the check before it leaves notices', async (t) => {
  const { log, published, prover, tree } = await open(300, 300)
  const of = await tree()
  log.editTile(edge, (hashes) => hashes.fill(1, 0, 32))
  const leaf = leafHash(log.bytes(3))
  t.equal((await caught(prover.inclusion(of, 3n, leaf, 300n))).reason, 'LOG_DAMAGED')
  const unchecked = await inclusionProof(3n, 300n, { tiles: (ids) => published.tiles(of, ids) })
  t.equal(unchecked.length, 9, 'twin: without the check there is a proof')
  t.notOk(verifyInclusion({ leafHash: leaf, index: 3n, size: 300n, proof: unchecked, root: of.root }), 'and it is false')
})
