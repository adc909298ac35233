import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { emptyRoot, leafHash, leafHashHex, leafHashLatin1, nodeHash } from '../../../services/audit/log/tree-hash.ts'

/** RFC 6962's reference leaves and constants, as Certificate Transparency's implementations have them. */
const constants = {
  empty: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  emptyLeaf: '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  leaf: '395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56',
  node: 'aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb',
}

t.test('hashes of nothing, of leaves and of nodes are those of RFC 6962', async (t) => {
  t.equal(emptyRoot().toString('hex'), constants.empty)
  t.equal(leafHash(new Uint8Array()).toString('hex'), constants.emptyLeaf)
  t.equal(leafHash(Buffer.from('L123456')).toString('hex'), constants.leaf)
  t.equal(leafHashHex(Buffer.from('L123456')), constants.leaf, 'spelled out')
  t.equal(Buffer.from(leafHashLatin1(Buffer.from('L123456')), 'latin1').toString('hex'), constants.leaf, 'as text')
  t.equal(nodeHash(Buffer.from('N123'), Buffer.from('N456')).toString('hex'), constants.node)
})

t.test('without the byte ahead of a leaf or a node the constants are missed', async (t) => {
  const bare = (...parts: readonly string[]): string => createHash('sha256').update(parts.join('')).digest('hex')
  t.not(bare(''), constants.emptyLeaf)
  t.not(bare('L123456'), constants.leaf)
  t.not(bare('N123', 'N456'), constants.node)
  t.not(bare('\u0000N123', 'N456'), constants.node, 'nor is the byte of a leaf that of a node')
})

t.test('a hash is made of the bytes of a view and of nothing around them', async (t) => {
  const around = Buffer.from('..L123456..')
  t.equal(leafHash(around.subarray(2, 9)).toString('hex'), constants.leaf)
  t.equal(leafHash(new Uint8Array(around.buffer, around.byteOffset + 2, 7)).toString('hex'), constants.leaf)
  t.equal(around.toString(), '..L123456..', 'and they stay as they were')
})

t.test('a hash that was given out stays as it is', async (t) => {
  const first = leafHash(Buffer.from('L123456'))
  const node = nodeHash(Buffer.from('N123'), Buffer.from('N456'))
  leafHash(Buffer.from('other'))
  nodeHash(Buffer.from('left'), Buffer.from('right'))
  t.equal(first.toString('hex'), constants.leaf)
  t.equal(node.toString('hex'), constants.node)
})

t.test('entries of every length are hashed whole, one after the other', async (t) => {
  for (const length of [65_536, 0, 1, 55, 56, 4_094, 4_095, 4_096, 4_097, 65_534, 65_535, 70_000, 3]) {
    const entry = randomBytes(length)
    const expected = createHash('sha256').update(Uint8Array.of(0)).update(entry).digest()
    t.ok(leafHash(entry).equals(expected), `${length} bytes`)
    t.equal(leafHashHex(entry), expected.toString('hex'))
  }
})

t.test('a node of hashes is that of OpenSSL', async (t) => {
  const [left, right] = [randomBytes(32), randomBytes(32)]
  const expected = createHash('sha256').update(Uint8Array.of(1)).update(left).update(right).digest()
  t.ok(nodeHash(left, right).equals(expected))
  t.notOk(nodeHash(right, left).equals(expected))
})
