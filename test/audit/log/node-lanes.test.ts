import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { createNodeLanes } from '../../../services/audit/log/node-lanes.ts'

const nodesOf = (pairs: Buffer): Buffer =>
  Buffer.concat(
    Array.from({ length: pairs.length / 64 }, (_, place) =>
      createHash('sha256')
        .update(Uint8Array.of(1))
        .update(pairs.subarray(64 * place, 64 * place + 64))
        .digest(),
    ),
  )

t.test('nodes are those of OpenSSL, for any number of pairs at any place', async (t) => {
  const { memory, hashPairs } = createNodeLanes()
  for (let pairs = 1; pairs <= 128; pairs += 1) {
    const offset = 1 + 37 * pairs
    const row = randomBytes(64 * pairs)
    memory.set(row, offset)
    hashPairs(offset, pairs)
    if (Buffer.compare(memory.subarray(offset, offset + 32 * pairs), nodesOf(row)) !== 0) t.fail(`other nodes of ${pairs} pairs`)
  }
})

t.test('every bit of either hash counts, and the byte ahead of them does not', async (t) => {
  const { memory, hashPairs } = createNodeLanes()
  const pair = randomBytes(64)
  const hashed = (row: Buffer, ahead: number): string => {
    memory.set([ahead], 63)
    memory.set(row, 64)
    hashPairs(64, 1)
    return Buffer.from(memory.subarray(64, 96)).toString('hex')
  }
  const all = new Set([hashed(pair, 0)])
  for (let bit = 0; bit < 512; bit += 1) {
    const turned = Buffer.from(pair)
    turned.writeUInt8(turned.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    all.add(hashed(turned, 0))
  }
  t.equal(all.size, 513)
  for (const ahead of [0, 1, 0x80, 0xff]) t.equal(hashed(pair, ahead), nodesOf(pair).toString('hex'))
})

t.test('words of all zeros and all ones are hashed right, side by side', async (t) => {
  const { memory, hashPairs } = createNodeLanes()
  const row = Buffer.concat([Buffer.alloc(64), Buffer.alloc(64, 0xff), Buffer.alloc(64, 0x80), Buffer.alloc(64, 1)])
  memory.set(row, 256)
  hashPairs(256, 4)
  t.same(Buffer.from(memory.subarray(256, 384)), nodesOf(row))
})

t.test('no more changes than whole groups of four nodes, and two memories are apart', async (t) => {
  const [one, other] = [createNodeLanes(), createNodeLanes()]
  one.memory.fill(7)
  one.hashPairs(1_024, 5)
  t.ok(one.memory.subarray(0, 1_024).every((byte) => byte === 7))
  t.ok(one.memory.subarray(1_024 + 8 * 32).every((byte) => byte === 7))
  t.ok(other.memory.every((byte) => byte === 0))
})
